import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as fc from "fast-check"
import type * as RateLimit from "../src/RateLimit.ts"
import * as RateLimitHeaders from "../src/RateLimitHeaders.ts"

const decision = (parts: Partial<RateLimit.Decision> = {}): RateLimit.Decision => ({
  policy: "per-minute",
  allowed: true,
  limit: 100,
  window: Duration.minutes(1),
  remaining: 42,
  retryAfter: Duration.zero,
  delay: Duration.zero,
  nextAfter: Duration.millis(6001),
  resetAfter: Duration.seconds(30),
  shadowed: false,
  source: "store",
  ...parts
})

const denied = (parts: Partial<RateLimit.Decision> = {}) =>
  decision({ allowed: false, remaining: 0, retryAfter: Duration.seconds(9), ...parts })

type Parameter = number | string | Uint8Array

/** Reads a list of strings with parameters, as RFC 9651, section 4.2, has it; throws for anything else. */
const parse = (
  field: string
): ReadonlyArray<readonly [name: string, parameters: Readonly<Record<string, Parameter>>]> => {
  const item =
    /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"((?:;[a-z*][a-z0-9_.*-]*=(?:-?\d{1,15}|"[^"\\]*"|:[A-Za-z0-9+/=]*:))*)/y
  const items: Array<readonly [string, Readonly<Record<string, Parameter>>]> = []
  while (true) {
    const [whole, name, parameters] = item.exec(field) ?? []
    if (whole === undefined || name === undefined || parameters === undefined) throw new Error(`no list: ${field}`)
    const entries = parameters.matchAll(/;([a-z]+)=("[^"]*"|:[^:]*:|-?\d+)/g)
    items.push([
      name.replaceAll(/\\(["\\])/g, "$1"),
      Object.fromEntries(Array.from(entries, ([, key = "", value = ""]) => [key, bare(value)]))
    ])
    if (item.lastIndex === field.length) return items
    if (field.slice(item.lastIndex, item.lastIndex + 2) !== ", ") throw new Error(`no list: ${field}`)
    item.lastIndex += 2
  }
}

const bare = (text: string): Parameter => {
  if (text.startsWith('"')) return text.slice(1, -1)
  return text.startsWith(":") ? new Uint8Array(Buffer.from(text.slice(1, -1), "base64")) : Number(text)
}

describe("the current fields", () => {
  it("tell each policy, its quota and window, what is left and when there is more", () => {
    const perDay = decision({
      policy: "per-day",
      limit: 5000,
      remaining: 4999,
      window: Duration.days(1),
      nextAfter: Duration.hours(2)
    })
    assert.deepStrictEqual(RateLimitHeaders.toHeaders([decision(), perDay]), {
      "ratelimit-policy": '"per-minute";q=100;w=60, "per-day";q=5000;w=86400',
      ratelimit: '"per-minute";r=42;t=7, "per-day";r=4999;t=7200'
    })
  })

  it("leave out windows below a second, and a time when there is nothing to wait for", () => {
    const brief = decision({ window: Duration.millis(100), nextAfter: Duration.zero })
    assert.deepStrictEqual(RateLimitHeaders.toHeaders([brief]), {
      "ratelimit-policy": '"per-minute";q=100',
      ratelimit: '"per-minute";r=42'
    })
  })

  it("leave out policies that did not count, or are on trial", () => {
    assert.deepStrictEqual(
      RateLimitHeaders.toHeaders([decision({ source: "fallback" }), decision({ shadowed: true })]),
      {}
    )
  })

  it("say what is counted, and of whom", () => {
    const headers = RateLimitHeaders.toHeaders([decision()], {
      unit: "content-bytes",
      partitionKey: new Uint8Array([1, 2, 255])
    })
    const [[, policy] = []] = parse(headers["ratelimit-policy"] ?? "")
    assert.deepStrictEqual(policy, { q: 100, qu: "content-bytes", w: 60, pk: new Uint8Array([1, 2, 255]) })
    const [[, limit] = []] = parse(headers["ratelimit"] ?? "")
    assert.deepStrictEqual(limit, { r: 42, t: 7, pk: new Uint8Array([1, 2, 255]) })
  })

  it("are lists of strings for every decision, and Retry-After is never before t", () => {
    const name = fc.stringMatching(/^[\x20-\x7e]{1,100}$/)
    const duration = fc.integer({ min: 0, max: 1e15 }).map((micros) => Duration.micros(BigInt(micros)))
    const any = fc.record({
      policy: name,
      allowed: fc.boolean(),
      limit: fc.integer({ min: 1, max: 1e9 }),
      window: duration,
      remaining: fc.integer({ min: 0, max: 1e9 }),
      retryAfter: duration,
      delay: duration,
      nextAfter: duration,
      resetAfter: duration,
      shadowed: fc.constant(false),
      source: fc.constantFrom("store" as const, "local" as const, "denyCache" as const)
    })
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 4 }), (decisions) => {
        const headers = RateLimitHeaders.toHeaders(decisions)
        const policies = parse(headers["ratelimit-policy"] ?? "")
        const limits = parse(headers["ratelimit"] ?? "")
        const names = decisions.map(({ policy }) => policy)
        assert.deepStrictEqual([policies.map(([name]) => name), limits.map(([name]) => name)], [names, names])
        for (const [index, { allowed, remaining, retryAfter }] of decisions.entries()) {
          const t = Number(limits[index]?.[1]["t"] ?? 0)
          assert.strictEqual(limits[index]?.[1]["r"], remaining)
          if (allowed) continue
          assert.isAtLeast(Number(headers["retry-after"]), t)
          assert.isAtLeast(Number(headers["retry-after"]) * 1000, Duration.toMillis(retryAfter))
        }
        assert.strictEqual(
          headers["retry-after"] === undefined,
          decisions.every(({ allowed }) => allowed)
        )
        const problem = RateLimitHeaders.toProblem(decisions)
        assert.deepStrictEqual(
          problem?.body["violated-policies"] ?? [],
          decisions.filter(({ allowed }) => !allowed).map(({ policy }) => policy)
        )
      })
    )
  })
})

describe("the fields of earlier days", () => {
  it("are those of draft 7", () => {
    assert.deepStrictEqual(RateLimitHeaders.toHeadersDraft7(denied()), {
      "ratelimit-policy": "100;w=60",
      ratelimit: "limit=100, remaining=0, reset=30",
      "retry-after": "9"
    })
  })

  it("are those of draft 6", () => {
    assert.deepStrictEqual(RateLimitHeaders.toHeadersDraft6(decision()), {
      "ratelimit-policy": "100;w=60",
      "ratelimit-limit": "100",
      "ratelimit-remaining": "42",
      "ratelimit-reset": "30"
    })
  })

  it("are those from before the drafts, with seconds from now or since 1970", () => {
    const fields = { "x-ratelimit-limit": "100", "x-ratelimit-remaining": "42" }
    assert.deepStrictEqual(RateLimitHeaders.toHeadersX(decision()), { ...fields, "x-ratelimit-reset": "30" })
    assert.deepStrictEqual(RateLimitHeaders.toHeadersX(decision(), 1_764_000_000_500), {
      ...fields,
      "x-ratelimit-reset": "1764000031"
    })
  })
})

describe("a problem", () => {
  const typeOf = (problem: RateLimitHeaders.Problem | undefined) => [problem?.status, problem?.body.type.split("#")[1]]

  it("names the policies that deny, and waits for the last of them", () => {
    const problem = RateLimitHeaders.toProblem([
      decision(),
      denied(),
      denied({ policy: "b", retryAfter: Duration.hours(1) })
    ])
    assert.deepStrictEqual(typeOf(problem), [429, "quota-exceeded"])
    assert.deepStrictEqual(problem?.body["violated-policies"], ["per-minute", "b"])
    assert.deepInclude(problem?.headers ?? {}, { "content-type": "application/problem+json", "retry-after": "3600" })
    assert.strictEqual(problem?.body.status, 429)
  })

  it("is an outage if only policies without a store deny", () => {
    assert.deepStrictEqual(typeOf(RateLimitHeaders.toProblem([denied({ source: "fallback" })])), [
      503,
      "temporary-reduced-capacity"
    ])
    assert.deepStrictEqual(typeOf(RateLimitHeaders.toProblem([denied({ source: "fallback" }), denied()])), [
      429,
      "quota-exceeded"
    ])
  })

  it("can be that the client behaves strangely", () => {
    assert.deepStrictEqual(typeOf(RateLimitHeaders.toProblem([denied()], { isAbnormal: true })), [
      429,
      "abnormal-usage-detected"
    ])
  })

  it("is none if all allow", () => {
    assert.isUndefined(RateLimitHeaders.toProblem([decision(), denied({ allowed: true, shadowed: true })]))
  })
})
