import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Broker from "../src/Broker.ts"
import { type Answer, clientOf, serve } from "./serving.ts"

const BALANCE = "/api/accounts/acct-1/balance"
const ORDER = { account: "acct-1", symbol: "AAPL", quantity: "10" }
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const PAUSE = "10 millis"

const until = <A, E>(look: Effect.Effect<A, E>, isSo: (seen: A) => boolean): Effect.Effect<A, E> =>
  Effect.flatMap(look, (seen) =>
    isSo(seen)
      ? Effect.succeed(seen)
      : Effect.delay(
          Effect.suspend(() => until(look, isSo)),
          PAUSE
        )
  )

/** Two servers, each with an L1 of its own, and what both have in common. */
const startTwo = Effect.gen(function* () {
  const redis = yield* RedisServer.make()
  const broker = Broker.make({ latency: 0 })
  const env = { CACHE_BACKEND: "tiered", REDIS_URL: redis.url }
  const [one, other] = yield* Effect.all([serve(env, broker), serve(env, broker)])
  yield* Effect.forEach([one, other], ({ anonymous }) => until(anonymous.get("/health"), isTrusted))
  return { redis, broker, one, other }
})

const leftOf = ({ headers }: Answer) => Number(/;r=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1])

const isTrusted = ({ body }: Answer) => Object(Object(body).details).l1 === "trusted"

describe("two servers over one Redis", () => {
  it.live("serve what one has loaded, and see each other's writes", () =>
    Effect.gen(function* () {
      const { broker, one, other } = yield* startTwo
      const first = yield* one.as("ada").get(BALANCE)
      assert.deepInclude(first.body, { cash: "100000" })
      yield* until(other.as("ada").get(BALANCE), ({ text }) => text === first.text)

      yield* one.as("ada").post("/api/orders", ORDER)
      const isNew = ({ status, text }: Answer) => status === 200 && text !== first.text
      const seen = yield* until(other.as("ada").get(BALANCE), isNew)
      assert.deepInclude(seen.body, { cash: "97685" })
      yield* until(one.as("ada").get(BALANCE), ({ text }) => text === seen.text)

      const { body } = yield* other.as("ada").post("/api/connections/conn-1/disconnect")
      assert.deepStrictEqual(body, { cleared: 1 })
      const calls = broker.calls()
      yield* until(one.as("ada").get(BALANCE), () => broker.calls() > calls)
    })
  )

  it.live("count a user's requests together", () =>
    Effect.gen(function* () {
      const { one, other } = yield* startTwo
      const wrong = { ...ORDER, quantity: "-1" }
      const left = Effect.forEach([one, other], (server) =>
        Effect.map(server.as("ada").post("/api/orders", wrong), leftOf)
      )
      // a store that once did not answer in time was not asked: then each has counted for itself
      yield* until(left, ([first = NaN, second]) => second === first - 1)
    })
  )

  it.live("answer without Redis, and say that they are not healthy", () =>
    Effect.gen(function* () {
      const { one, redis } = yield* startTwo
      yield* redis.kill
      const ada = one.as("ada")
      assert.strictEqual((yield* ada.get(BALANCE)).status, 200)
      assert.strictEqual((yield* ada.post("/api/orders", ORDER)).status, 201)
      const cleared = yield* ada.post("/api/connections/conn-1/disconnect")
      assert.strictEqual(cleared.status, 503)
      assert.deepInclude(cleared.body, { status: 503, title: "The cache is not available" })
      const health = yield* one.anonymous.get("/health")
      assert.strictEqual(health.status, 503)
      assert.deepInclude(health.body, { healthy: false })
    })
  )
})

describe("main", () => {
  it.live("serves until it is told to stop, and leaves nothing open", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.make()
      const server = spawn(process.execPath, [main], { env: { ...process.env, PORT: "0", REDIS_URL: redis.url } })
      yield* Effect.addFinalizer(() => Effect.sync(() => server.kill("SIGKILL")))
      const ended = new Promise<number | null>((resolve) => server.once("exit", resolve))
      const url = yield* Effect.promise(async () => {
        for await (const line of createInterface(server.stdout)) {
          const [, url] = /Listening on (\S+)$/.exec(line) ?? []
          if (url !== undefined) return url
        }
        return ""
      })
      server.stdout.resume()
      const { status } = yield* clientOf(url, { "x-user": "ada" }).get("/api/quotes/AAPL")
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(yield* redis.ask("EXISTS", "tradecore:market:quote:AAPL"), 1)
      server.kill("SIGTERM")
      // what an interrupted program answers in Effect
      assert.strictEqual(yield* Effect.promise(() => ended), 130)
    })
  )
})
