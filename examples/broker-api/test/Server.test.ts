import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as PrometheusText from "../../../packages/tiercache/test/prometheusText.ts"
import * as Broker from "../src/Broker.ts"
import { type Answer, serve } from "./serving.ts"

const BALANCES = ["/api/accounts/acct-1/balance", "/api/accounts/acct-2/balance"] as const
const [BALANCE, OTHER_BALANCE] = BALANCES
const ORDER = { account: "acct-1", symbol: "AAPL", quantity: "10" }

const start = Effect.suspend(() => {
  const broker = Broker.make({ latency: 0 })
  return Effect.map(serve({ CACHE_BACKEND: "memory" }, broker), (server) => ({
    ...server,
    /** How often the broker is asked meanwhile. */
    callsOf: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        const before = broker.calls()
        return Effect.map(effect, () => broker.calls() - before)
      })
  }))
})

describe("reading", () => {
  it.effect("asks the broker once, and again when the TTL is over", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      const quote = as("ada").get("/api/quotes/AAPL")
      const { body, status } = yield* quote
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { symbol: "AAPL", last: 231.5 })
      assert.strictEqual(yield* callsOf(quote), 0)
      assert.strictEqual(yield* callsOf(as("bob").get("/api/quotes/AAPL")), 0)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* callsOf(quote), 1)
    })
  )

  it.effect("keeps every kind of data", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      const ada = as("ada")
      for (const path of [BALANCE, "/api/portfolio/acct-1", "/api/orders", "/api/orders?symbol=AAPL"]) {
        const first = yield* ada.get(path)
        assert.strictEqual(first.status, 200, path)
        const calls = yield* callsOf(
          Effect.map(ada.get(path), (second) => assert.deepStrictEqual(second.body, first.body))
        )
        assert.strictEqual(calls, 0, path)
      }
    })
  )

  it.effect("gives nobody what is somebody else's", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      yield* as("ada").post("/api/orders", ORDER)
      const { body } = yield* as("ada").get("/api/orders")
      assert.lengthOf(Object(body), 1)
      assert.strictEqual(yield* callsOf(as("bob").get("/api/orders")), 1)
      assert.deepStrictEqual((yield* as("bob").get("/api/orders")).body, [])

      yield* as("ada").get(BALANCE)
      const refused = yield* as("bob").get(BALANCE)
      assert.strictEqual(refused.status, 404)
      assert.strictEqual(refused.headers.get("content-type"), "application/problem+json")
    })
  )

  it.effect("keeps a response for each set of parameters", () =>
    Effect.gen(function* () {
      const { as } = yield* start
      const ada = as("ada")
      const order = yield* ada.post("/api/orders", ORDER)
      assert.deepStrictEqual((yield* ada.get("/api/orders")).body, [order.body])
      assert.deepStrictEqual((yield* ada.get("/api/orders?symbol=MSFT")).body, [])
      assert.deepStrictEqual((yield* ada.get("/api/orders?symbol=AAPL")).body, [order.body])
    })
  )

  it.effect("remembers that there is no such symbol", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      const unknown = as("ada").get("/api/quotes/NOPE")
      assert.strictEqual((yield* unknown).status, 404)
      assert.strictEqual(yield* callsOf(unknown), 0)
    })
  )
})

describe("limits", () => {
  it.effect("answer 429 until it is time, to one user", () =>
    Effect.gen(function* () {
      const { as } = yield* start
      const ada = as("ada").get("/api/quotes/AAPL")
      const allowed = yield* Effect.all(Array.from({ length: 20 }, () => ada))
      assert.isTrue(allowed.every(({ status }) => status === 200))
      assert.strictEqual(allowed[0]?.headers.get("ratelimit-policy"), '"api_reads";q=20;w=10')
      assert.strictEqual(allowed[0]?.headers.get("ratelimit"), '"api_reads";r=19;t=1')

      const denied = yield* ada
      assert.strictEqual(denied.status, 429)
      assert.strictEqual(denied.headers.get("content-type"), "application/problem+json")
      assert.strictEqual(denied.headers.get("ratelimit"), '"api_reads";r=0;t=1')
      assert.strictEqual(denied.headers.get("retry-after"), "1")
      assert.deepInclude(denied.body, { status: 429, "violated-policies": ["api_reads"] })

      assert.strictEqual((yield* as("bob").get("/api/quotes/AAPL")).status, 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ada).status, 200)
    })
  )

  it.effect("tell what is left with errors too, and count orders apart", () =>
    Effect.gen(function* () {
      const { as } = yield* start
      const ada = as("ada")
      const missing = yield* ada.get("/api/quotes/NOPE")
      assert.strictEqual(missing.headers.get("ratelimit"), '"api_reads";r=19;t=1')
      const wrong = yield* ada.post("/api/orders", { ...ORDER, quantity: "-1" })
      assert.strictEqual(wrong.status, 400)
      assert.strictEqual(wrong.headers.get("ratelimit"), '"api_writes";r=4;t=6')
      assert.include(wrong.text, "quantity")
    })
  )

  it.effect("want to know who asks", () =>
    Effect.gen(function* () {
      const { anonymous, callsOf } = yield* start
      assert.strictEqual(yield* callsOf(anonymous.get("/api/quotes/AAPL")), 0)
      assert.strictEqual((yield* anonymous.get("/api/quotes/AAPL")).status, 401)
    })
  )
})

describe("writing", () => {
  it.effect("shows an order in all that is read next, and leaves other accounts", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      const ada = as("ada")
      const all = Effect.forEach([...BALANCES, "/api/portfolio/acct-1", "/api/orders"], ada.get)
      yield* all
      const order = yield* ada.post("/api/orders", ORDER)
      assert.strictEqual(order.status, 201)

      assert.strictEqual(yield* callsOf(ada.get(OTHER_BALANCE)), 0)
      assert.strictEqual(yield* callsOf(all), 3)
      const [balance, other, portfolio, orders] = yield* all
      assert.deepInclude(balance?.body, { cash: "97685" })
      assert.deepInclude(other?.body, { cash: "100000" })
      assert.deepInclude(portfolio?.body, { marketValue: "2315" })
      assert.deepStrictEqual(orders?.body, [order.body])
    })
  )

  it.effect("forgets what an order changed although the client has gone", () =>
    Effect.gen(function* () {
      const isPlaced = yield* Deferred.make<void>()
      const mayAnswer = yield* Deferred.make<void>()
      const broker = Broker.make({ latency: 0 })
      const slow = Broker.Broker.of({
        ...broker,
        placeOrder: (account, order) =>
          broker
            .placeOrder(account, order)
            .pipe(Effect.tap(Deferred.succeed(isPlaced, undefined)), Effect.tap(Deferred.await(mayAnswer)))
      })
      const { anonymous, as } = yield* serve({ CACHE_BACKEND: "memory" }, slow)
      const before = yield* as("ada").get(BALANCE)
      const order = yield* Effect.forkChild(as("ada").post("/api/orders", ORDER))
      yield* Deferred.await(isPlaced)
      yield* Fiber.interrupt(order)
      // by the time that it answers, the server has noticed who has gone
      yield* anonymous.get("/health")
      yield* Deferred.succeed(mayAnswer, undefined)
      const isNew = ({ text }: Answer) => text !== before.text
      const after = yield* Effect.repeat(as("ada").get(BALANCE), { until: isNew, times: 10 })
      assert.deepInclude(after.body, { cash: "97685" })
    })
  )

  it.effect("clears a connection exactly", () =>
    Effect.gen(function* () {
      const { as, callsOf } = yield* start
      const ada = as("ada")
      const ofConnection = Effect.forEach([BALANCE, "/api/portfolio/acct-1", "/api/orders"], ada.get)
      const others = Effect.all([ada.get(OTHER_BALANCE), as("bob").get("/api/orders"), ada.get("/api/quotes/AAPL")])
      yield* ofConnection
      yield* others

      const stranger = yield* as("bob").post("/api/connections/conn-1/disconnect")
      assert.strictEqual(stranger.status, 404)
      const { body } = yield* ada.post("/api/connections/conn-1/disconnect")
      assert.deepStrictEqual(body, { cleared: 3 })
      assert.strictEqual(yield* callsOf(others), 0)
      assert.strictEqual(yield* callsOf(ofConnection), 3)
    })
  )
})

describe("operations", () => {
  it.effect("shows metrics that Prometheus reads, without ids", () =>
    Effect.gen(function* () {
      const { anonymous, as } = yield* start
      for (const path of [BALANCE, BALANCE, "/api/portfolio/acct-1", "/api/orders"]) yield* as("ada").get(path)
      yield* as("ada").post("/api/connections/conn-1/disconnect")
      const { headers, text } = yield* anonymous.get("/metrics")
      assert.strictEqual(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      const valueOf = (name: string, labels: Record<string, string>) =>
        PrometheusText.parse(text)
          .get(name)
          ?.samples.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
          ?.value
      assert.strictEqual(valueOf("tiercache_hits_total", { domain: "account", type: "balance", tier: "l1" }), 1)
      assert.strictEqual(
        valueOf("tiercache_rate_limit_decisions_total", { policy: "api_reads", outcome: "allowed" }),
        4
      )
      assert.notMatch(text, /\b(ada|acct-1|conn-1)\b/)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("is healthy", () =>
    Effect.gen(function* () {
      const { anonymous } = yield* start
      const { body, status } = yield* anonymous.get("/health")
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { healthy: true, operations: { set: true, get: true, delete: true } })
    })
  )

  it.effect("answers what is under way before it stops", () =>
    Effect.gen(function* () {
      const isAsked = yield* Deferred.make<void>()
      const mayAnswer = yield* Deferred.make<void>()
      const broker = Broker.make({ latency: 0 })
      const slow = Broker.Broker.of({
        ...broker,
        quote: (symbol) =>
          Deferred.succeed(isAsked, undefined).pipe(
            Effect.andThen(Deferred.await(mayAnswer)),
            Effect.andThen(broker.quote(symbol))
          )
      })
      const scope = yield* Scope.make()
      const server = yield* serve({}, slow).pipe(Scope.provide(scope))
      const answer = yield* Effect.forkChild(server.as("ada").get("/api/quotes/AAPL"))
      yield* Deferred.await(isAsked)
      const stopped = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Deferred.succeed(mayAnswer, undefined)
      assert.strictEqual((yield* Fiber.join(answer)).status, 200)
      yield* Fiber.join(stopped)
      const refused = yield* Effect.exit(server.as("ada").get("/api/quotes/AAPL"))
      assert.isTrue(Exit.isFailure(refused))
    })
  )
})
