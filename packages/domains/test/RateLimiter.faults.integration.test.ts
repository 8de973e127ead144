/**
 * Rate limits over a Redis that is refused, frozen, silent, restarted, or forgets its scripts, and by its own clock.
 */
import { assert, layer } from "@effect/vitest"
import { CacheBackend } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Duration, Effect, type Scope } from "effect"
import * as RateLimit from "../src/RateLimit.ts"
import * as RateLimiter from "../src/RateLimiter.ts"
import * as RedisAdmin from "./rateLimits/RedisAdmin.ts"

/** So long that only a policy's deadline ends a command in these tests. */
const ENDLESS = { commandTimeout: "2 minutes", connectTimeout: "10 seconds" } as const

/** For what is to succeed on a machine that may be slow. */
const PATIENT = { deadline: "30 seconds" } as const

const unique = (name: string) => `${name} ${crypto.randomUUID()}`

const makeBackend = (options: RedisBackend.Options) =>
  Effect.map(RedisBackend.make(options), (context) => Context.get(context, CacheBackend.CacheBackend))

const makeLimiter = (options: RedisBackend.Options) =>
  Effect.flatMap(makeBackend(options), (backend) =>
    Effect.provideService(RateLimiter.make(), CacheBackend.CacheBackend, backend)
  )

const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds }).pipe(Effect.asVoid)

/** Asks each policy, whose deadlines are the default of 100 ms; far sooner than the backend would give up by itself. */
const answers = (limiter: RateLimiter.RateLimiter["Service"], name: string) => {
  const allow = RateLimit.gcra(`${name} allow`, { limit: 1000, period: "1 hour" })
  const deny = RateLimit.slidingCounter(`${name} deny`, { limit: 1000, window: "1 hour", onStoreFailure: "deny" })
  const local = RateLimit.exactLog(`${name} local`, { limit: 4, window: "1 hour", onStoreFailure: { local: 0.25 } })
  return Effect.forEach([allow, deny, local, local], (policy) => limiter.consume(policy, "ann")).pipe(
    Effect.map((decisions) => decisions.map(({ allowed, source }) => `${source}: ${allowed ? "yes" : "no"}`)),
    Effect.timeout("60 seconds")
  )
}

const WITHOUT_STORE = ["fallback: yes", "fallback: no", "local: yes", "local: no"]

layer(RedisServer.layer(), { excludeTestServices: true })("rate limits over Redis", (it) => {
  const faults: Readonly<
    Record<string, (proxy: TcpProxy.TcpProxy) => Effect.Effect<unknown, never, RedisServer.RedisServer | Scope.Scope>>
  > = {
    refused: (proxy) => Effect.andThen(proxy.refuse, proxy.cut),
    "frozen, connection and all": () =>
      Effect.gen(function* () {
        const { pause, resume } = yield* RedisServer.RedisServer
        yield* Effect.acquireRelease(pause, () => resume)
      }),
    "a black hole": (proxy) => proxy.drop(),
    "silent: commands arrive, answers do not": (proxy) => proxy.drop("toClient")
  }
  for (const [name, fault] of Object.entries(faults)) {
    it.effect(`answer within the deadline, as the policy says: ${name}`, () =>
      Effect.gen(function* () {
        const { port } = yield* RedisServer.RedisServer
        const proxy = yield* TcpProxy.make({ target: { port } })
        const limiter = yield* makeLimiter({ url: `redis://${proxy.address}`, ...ENDLESS })
        const ready = RateLimit.gcra(unique("ready"), { limit: 1000, period: "1 second", ...PATIENT })
        assert.strictEqual((yield* limiter.consume(ready, "ann")).source, "store")
        yield* fault(proxy)
        assert.deepStrictEqual(yield* answers(limiter, unique(name)), WITHOUT_STORE)
      })
    )
  }

  it.effect("count again as soon as Redis is back, without what was counted meanwhile", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port } })
      const limiter = yield* makeLimiter({ url: `redis://${proxy.address}`, commandTimeout: "200 millis" })
      const policy = RateLimit.fixedWindow(unique("back"), { limit: 1000, window: "1 hour", ...PATIENT })
      yield* limiter.consume(policy, "bob")
      yield* Effect.andThen(proxy.refuse, proxy.cut)
      yield* eventually(Effect.map(limiter.consume(policy, "bob"), ({ source }) => source === "fallback"))
      const before = limiter.counts().get(policy.name)
      const counted = (before?.allowed ?? NaN) - (before?.withoutStore ?? NaN)
      yield* proxy.accept
      yield* eventually(Effect.map(limiter.check(policy, "bob"), ({ source }) => source === "store"))
      assert.strictEqual((yield* limiter.check(policy, "bob")).remaining, 1000 - counted)
    })
  )

  it.effect("survive SCRIPT FLUSH in mid-use, and each call counts once", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const limiter = yield* makeLimiter({ url, ...ENDLESS })
      const policy = RateLimit.gcra(unique("flush"), { limit: 1000, period: "1 day", ...PATIENT })
      const other = RateLimit.exactLog(unique("flush"), { limit: 1000, window: "1 day", ...PATIENT })
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            if (index % 10 === 0) assert.strictEqual(yield* RedisAdmin.command(port, "SCRIPT FLUSH"), "+OK")
            assert.strictEqual((yield* limiter.consume(policy, "cat")).source, "store")
            assert.strictEqual((yield* limiter.consumeAll([policy, other], "cat")).decisions[0]?.source, "store")
          }),
        { concurrency: 20, discard: true }
      )
      assert.strictEqual((yield* limiter.check(other, "cat")).remaining, 800)
      assert.strictEqual((yield* limiter.check(policy, "cat")).remaining, 600)
    })
  )

  it.effect("survive a restart of Redis, which forgets what was counted", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.RedisServer
      const limiter = yield* makeLimiter({ url: server.url, ...ENDLESS })
      const policy = RateLimit.slidingCounter(unique("restart"), { limit: 1, window: "1 day", ...PATIENT })
      yield* limiter.consume(policy, "dan")
      assert.isFalse((yield* limiter.consume(policy, "dan")).allowed)
      yield* server.restart
      yield* eventually(Effect.map(limiter.check(policy, "dan"), ({ source }) => source === "store"))
      assert.isTrue((yield* limiter.consume(policy, "dan")).allowed)
    })
  )

  it.effect("leave nothing without a TTL, and nothing behind", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const backend = yield* makeBackend({ url, ...ENDLESS })
      const limiter = yield* RateLimiter.make({ prefix: "eternal" }).pipe(
        Effect.provideService(CacheBackend.CacheBackend, backend)
      )
      const countKeys = (which: string) =>
        RedisAdmin.lua(
          backend,
          `local count = 0
          for _, key in ipairs(redis.call('KEYS', 'eternal:*')) do
            if ARGV[1] == 'all' or redis.call('PTTL', key) == -1 then count = count + 1 end
          end
          return count`,
          which
        )
      const brief = { limit: 2, window: "200 millis", ...PATIENT } as const
      const policies = [
        RateLimit.gcra(unique("g"), { limit: 2, period: "200 millis", ...PATIENT }),
        RateLimit.fixedWindow(unique("f"), brief),
        RateLimit.slidingCounter(unique("s"), brief),
        RateLimit.exactLog(unique("l"), brief)
      ]
      for (const policy of policies) {
        for (let call = 0; call < 3; call++) yield* limiter.consume(policy, "eve")
        yield* limiter.increment(policy, "flo", { cost: 9 })
        yield* limiter.refund(policy, "flo")
        yield* limiter.block(policy, "gus", "200 millis")
      }
      const slots = RateLimit.concurrency(unique("c"), { limit: 2, lease: "200 millis", ...PATIENT })
      yield* Effect.scoped(limiter.slot(slots, "hal"))
      assert.strictEqual(yield* countKeys("eternal"), 0)
      yield* eventually(Effect.map(countKeys("all"), (count) => count === 0))
    })
  )

  it.effect("renew a slot by the clock of Redis", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const limiter = yield* makeLimiter({ url, ...ENDLESS })
      const backend = yield* makeBackend({ url, ...ENDLESS })
      const slots = RateLimit.concurrency("renewed", { limit: 1, lease: "1 second", ...PATIENT })
      const end = RedisAdmin.lua(
        backend,
        "return redis.call('ZRANGE', 'tradecore:ratelimit:renewed:{ida}', 0, 0, 'WITHSCORES')[2]"
      ).pipe(Effect.map(Number))
      yield* Effect.gen(function* () {
        yield* limiter.slot(slots, "ida")
        const first = yield* end
        yield* eventually(Effect.map(end, (later) => later > first + 1_000_000))
        assert.isFalse((yield* limiter.check(slots, "ida")).allowed)
      }).pipe(Effect.scoped)
      assert.isTrue((yield* limiter.check(slots, "ida")).allowed)
    })
  )

  it.effect("by Redis' own time: a second call is allowed once its retryAfter is over", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const limiter = yield* makeLimiter({ url, ...ENDLESS })
      const policy = RateLimit.gcra(unique("live"), { limit: 1, period: "1 second", ...PATIENT })
      yield* limiter.consume(policy, "joe")
      const { retryAfter } = yield* limiter.check(policy, "joe")
      assert.isTrue(Duration.isGreaterThan(retryAfter, Duration.zero))
      // timers of Node.js fire up to a millisecond early
      yield* Effect.sleep(Duration.sum(retryAfter, Duration.millis(2)))
      assert.isTrue((yield* limiter.consume(policy, "joe")).allowed)
    })
  )
})
