import { assert, describe, it } from "@effect/vitest"
import { LoadPolicy } from "@tiercache/core"
import { DateTime } from "effect"
import * as fc from "fast-check"
import { runs } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const now = DateTime.makeUnsafe("2026-01-02T15:04:05Z")

const resolve = <A>(options: LoadPolicy.Options<A>, random = 0) =>
  LoadPolicy.resolve("load", options, { ttl: "300 seconds", random: () => random, wallClock: () => now })

/** As a caller without types gives them. */
const reasonOf = (options: object): string =>
  cacheErrorOf(() => Reflect.apply(LoadPolicy.check, undefined, ["load", options])).reason

describe("LoadPolicy.resolve", () => {
  it("has defaults", () => {
    const { negativeMillis, ownTtlMillis, ttlMillis, untilExpiry, ...policy } = resolve({})
    assert.deepStrictEqual([ttlMillis("any"), ownTtlMillis("any", 7), untilExpiry("any", 7)], [300_000, 7, 7])
    assert.isUndefined(negativeMillis())
    assert.deepStrictEqual(policy, {
      jitter: 0,
      graceMillis: 0,
      staleIfError: true,
      softMillis: undefined,
      hardMillis: undefined,
      leaseMillis: 10_000,
      refreshAheadMillis: undefined,
      xfetch: undefined,
      background: false,
      backoffMillis: undefined
    })
  })

  it("has milliseconds of what is given", () => {
    const { negativeMillis, ownTtlMillis, ttlMillis, untilExpiry, ...policy } = resolve({
      ttl: "1 minute",
      negativeTtl: "10 seconds",
      grace: "1 hour",
      staleIfError: false,
      softTimeout: "200 millis",
      hardTimeout: "4 seconds",
      refreshAhead: "5 seconds",
      background: true,
      backoff: { seconds: 3 }
    })
    assert.deepStrictEqual(
      [ttlMillis(0), negativeMillis(), ownTtlMillis(0, 7), untilExpiry(0, 7)],
      [60_000, 10_000, 7, 7]
    )
    assert.deepStrictEqual(policy, {
      jitter: 0,
      graceMillis: 3_600_000,
      staleIfError: false,
      softMillis: 200,
      hardMillis: 4000,
      leaseMillis: 4000,
      refreshAheadMillis: 5000,
      xfetch: undefined,
      background: true,
      backoffMillis: 3000
    })
  })

  it("lets no TTL go beyond the end of a value, and no call move that", () => {
    const expiresAt = (seconds: number) => (seconds === 0 ? undefined : DateTime.add(now, { seconds }))
    const minute = "1 minute" as const
    for (const ttl of [minute, () => minute]) {
      const { ownTtlMillis, ttlMillis, untilExpiry } = resolve({ ttl, expiresAt })
      assert.deepStrictEqual([-1, 0, 0.0015, 30, 90].map(ttlMillis), [0, 60_000, 1, 30_000, 60_000])
      assert.deepStrictEqual([ownTtlMillis(30, 90_000), ownTtlMillis(-1, 1), ownTtlMillis(30, 5)], [30_000, 0, 5])
      assert.deepStrictEqual([untilExpiry(30, 90_000), untilExpiry(0, 90_000)], [30_000, 90_000])
    }
    const called = LoadPolicy.withCall({ expiresAt }, { ttl: "1 hour", expiresAt: () => undefined })
    assert.strictEqual(resolve(called).ttlMillis(30), 30_000)
  })

  it("tells the two ways to refresh ahead apart", () => {
    const { refreshAheadMillis, xfetch } = resolve({ refreshAhead: { xfetch: 2 } })
    assert.deepStrictEqual([refreshAheadMillis, xfetch], [undefined, 2])
    assert.strictEqual(resolve({ refreshAhead: { minutes: 1 } }).refreshAheadMillis, 60_000)
  })

  it("serves what is stale at once, and after failures too, while it is revalidated", () => {
    const policy = resolve({ staleWhileRevalidate: true, staleIfError: false, softTimeout: "1 second" })
    assert.deepStrictEqual([policy.softMillis, policy.staleIfError], [0, true])
  })

  it("has leases that end soon after a process died, and not before Redis has answered", () => {
    const leaseOf = (hardTimeout: LoadPolicy.Options<unknown>["hardTimeout"]) => resolve({ hardTimeout }).leaseMillis
    assert.deepStrictEqual([leaseOf("10 millis"), leaseOf("5 seconds"), leaseOf("5 minutes")], [1000, 5000, 10_000])
  })

  it("asks a function for the TTL of a value, and refuses what is none", () => {
    const { ttlMillis } = resolve({ ttl: (value: number) => (value > 0 ? { seconds: value } : "0 seconds") })
    assert.strictEqual(ttlMillis(7), 7000)
    assert.strictEqual(cacheErrorOf(() => ttlMillis(0)).reason, "InvalidOption")
  })

  it("tells a function the time, and takes nothing for a value that is not kept", () => {
    const { ttlMillis } = resolve({
      ttl: (expiresAt: DateTime.Utc, now) =>
        DateTime.isLessThan(now, expiresAt) ? DateTime.distance(now, expiresAt) : undefined,
      jitter: 1
    })
    assert.strictEqual(ttlMillis(DateTime.add(now, { hours: 1 })), 3_600_000)
    assert.strictEqual(ttlMillis(now), 0)
  })

  it("does not quote what a function made of the value", () => {
    const { ttlMillis } = resolve({ ttl: ({ token }: { token: "1 second" }) => token })
    const error = cacheErrorOf(() => Reflect.apply(ttlMillis, undefined, [{ token: "secret" }]))
    assert.strictEqual(error.reason, "InvalidOption")
    assert.notInclude(error.message, "secret")
  })

  it("takes jitter off every TTL, and leaves at least a millisecond", () => {
    const ttl = fc.integer({ min: 1, max: 1e9 })
    const part = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(ttl, part, part, (millis, jitter, random) => {
        const life = { milliseconds: millis }
        const policy = resolve({ ttl: life, negativeTtl: life, jitter }, random)
        for (const jittered of [policy.ttlMillis("any"), policy.negativeMillis() ?? 0]) {
          assert.isTrue(Number.isInteger(jittered) && jittered >= 1 && jittered <= millis)
          assert.isAtLeast(jittered, Math.floor(millis * (1 - jitter)))
        }
      }),
      runs(1000)
    )
    assert.strictEqual(resolve({ ttl: "10 seconds", jitter: 0.5 }, 1).ttlMillis("any"), 5000)
  })

  it.each([
    { ttl: 5 },
    { ttl: "0 seconds" },
    { negativeTtl: "-1 second" },
    { grace: "Infinity" },
    { softTimeout: 100 },
    { hardTimeout: "soon" },
    { backoff: NaN },
    { refreshAhead: 0.5 },
    { refreshAhead: { xfetch: 0 } },
    { refreshAhead: { xfetch: NaN } },
    { jitter: -0.1 },
    { jitter: 1.1 },
    { jitter: NaN }
  ])("refuses %o", (options) => {
    assert.strictEqual(reasonOf(options), "InvalidOption")
  })
})

describe("LoadPolicy.withCall", () => {
  const own = { ttl: "1 hour", jitter: 0.1, staleIfError: true, background: true } as const

  it("prefers what the call gives, and `undefined` is nothing", () => {
    const given = LoadPolicy.withCall(own, { ttl: undefined, jitter: 0, staleIfError: false, background: undefined })
    assert.deepInclude(given, { ttl: "1 hour", jitter: 0, staleIfError: false, background: true })
  })
})

describe("LoadPolicy.mayBeServedStale", () => {
  const entry = { freshUntil: 1000, goneAfter: 3000 }

  it.each([
    ["1 second", 999, true],
    ["1 second", 1999, true],
    ["1 second", 2000, false],
    ["1 hour", 2999, true],
    ["1 hour", 3000, false]
  ] as const)("by a grace of %s, at %d: %s", (grace, now, isServed) => {
    assert.strictEqual(LoadPolicy.mayBeServedStale(resolve({ grace }), entry, now), isServed)
  })

  it("not without grace", () => {
    assert.isFalse(LoadPolicy.mayBeServedStale(resolve({}), entry, 1000))
  })
})
