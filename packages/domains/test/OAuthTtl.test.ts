import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheError } from "@tiercache/core"
import { Auth, OAuthTtl } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const runs = { numRuns: process.env.TIERCACHE_TEST_FULL === "1" ? 20_000 : 300 }

const overrides = {
  alpaca: { access_token: "15 minutes", refresh_token: undefined },
  ibkr: { refresh_token: "1 day" }
} as const

const secondsOf = (ttl: Duration.Duration | undefined) => ttl && Duration.toSeconds(ttl)

const now = DateTime.makeUnsafe("2026-01-02T15:04:05Z")

describe("OAuthTtl.rule", () => {
  it.each([
    ["alpaca", "access_token", 900],
    ["alpaca", "refresh_token", 2_592_000],
    ["ibkr", "access_token", 3600],
    ["ibkr", "refresh_token", 86_400],
    ["another", "access_token", 3600],
    ["another", "refresh_token", 2_592_000],
    ["__proto__", "access_token", 3600],
    ["constructor", "refresh_token", 2_592_000]
  ] as const)("of %s for an %s is %d s", (broker, kind, seconds) => {
    assert.strictEqual(secondsOf(OAuthTtl.rule(broker, kind, overrides)), seconds)
  })

  it("is that of the kind for every broker without overrides", () => {
    assert.strictEqual(secondsOf(OAuthTtl.rule("alpaca", "access_token")), 3600)
    assert.strictEqual(secondsOf(OAuthTtl.rule("alpaca", "refresh_token")), 2_592_000)
  })
})

describe("OAuthTtl.of", () => {
  const token = (expiresAt: DateTime.Utc) => ({ broker: "alpaca", kind: "access_token", expiresAt }) as const

  it("is the rule's where the token does not say when it expires", () => {
    assert.strictEqual(secondsOf(OAuthTtl.of({ broker: "alpaca", kind: "access_token" }, now, overrides)), 900)
  })

  it.each([
    [7200, 900],
    [960, 900],
    [959, 899],
    [61, 1],
    [60.001, 0.001],
    [60, undefined],
    [0, undefined],
    [-3600, undefined]
  ])("of a token that expires in %d s is %s", (left, seconds) => {
    const expiresAt = DateTime.add(now, { milliseconds: left * 1000 })
    assert.strictEqual(secondsOf(OAuthTtl.of(token(expiresAt), now, overrides)), seconds)
  })

  it("is above zero, at most the rule, and over a minute before the expiry", () => {
    const millis = fc.integer({ min: -1e7, max: 1e10 })
    fc.assert(
      fc.property(
        millis,
        fc.constantFrom("alpaca", "ibkr"),
        fc.constantFrom(...OAuthTtl.Kind.literals),
        (left, broker, kind) => {
          const ttl = OAuthTtl.of(
            { broker, kind, expiresAt: DateTime.add(now, { milliseconds: left }) },
            now,
            overrides
          )
          const expected = Math.min(Duration.toMillis(OAuthTtl.rule(broker, kind, overrides)), left - 60_000)
          assert.strictEqual(ttl && Duration.toMillis(ttl), expected > 0 ? expected : undefined)
        }
      ),
      runs
    )
  })
})

describe("a cache of OAuth tokens", () => {
  const id = { broker: "alpaca", kind: "access_token", connection: "conn-456" } as const

  const tokenFor = (left: Duration.Input) =>
    Effect.map(DateTime.now, (now): Auth.OAuthToken => ({
      broker: "alpaca",
      kind: "access_token",
      value: Redacted.make("hunter2"),
      expiresAt: DateTime.addDuration(now, left)
    }))

  it.effect("goes by the time at which a token is stored, not by the one at which it was made", () =>
    Effect.gen(function* () {
      const tokens = (yield* Cache.Cache).entity(Auth.makeOAuthTokens(overrides))
      const token = yield* tokenFor("20 minutes")
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(yield* tokens.set(id, token))
      assert.strictEqual(secondsOf(yield* tokens.ttl(id)), 540)
      yield* TestClock.adjust("5 minutes")
      // who stores it again does not make it live longer
      assert.isTrue(yield* tokens.set(id, token))
      assert.strictEqual(secondsOf(yield* tokens.ttl(id)), 240)
      yield* TestClock.adjust("4 minutes")
      assert.isUndefined(yield* tokens.get(id))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("does not keep one that is about to expire, nor the one before it", () =>
    Effect.gen(function* () {
      const tokens = (yield* Cache.Cache).entity(Auth.makeOAuthTokens(overrides))
      yield* tokens.set(id, yield* tokenFor("1 hour"))
      const brief = yield* tokenFor("60 seconds")
      assert.isFalse(yield* tokens.set(id, brief))
      assert.isFalse(yield* tokens.has(id))
      const loaded = yield* tokens.getOrLoad(id, Effect.succeed(brief))
      assert.strictEqual(Redacted.value(loaded.value), "hunter2", "who loads it may still use it")
      assert.isFalse(yield* tokens.has(id))
    }).pipe(Effect.provide(inMemory))
  )

  it("refuses rules that are no TTLs", () => {
    for (const access_token of ["0 seconds", "-1 hour", 900, "soon"]) {
      try {
        Reflect.apply(Auth.makeOAuthTokens, undefined, [{ alpaca: { access_token } }])
      } catch (error) {
        assert.strictEqual(CacheError.isCacheError(error) && error.reason, "InvalidOption")
        continue
      }
      assert.fail(`${access_token} was taken`)
    }
  })
})

const inMemory = Cache.layer().pipe(Layer.provide(Layer.suspend(() => MemoryBackend.layer())))
