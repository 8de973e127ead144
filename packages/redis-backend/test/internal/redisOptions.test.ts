import { assert, describe, expect, it } from "@effect/vitest"
import { CacheError, type Ttl } from "@tiercache/core"
import * as fc from "fast-check"
import * as redisOptions from "../../src/internal/redisOptions.ts"

const parse = (url: string) => redisOptions.parseUrl("url", url)

const errorOf = (f: () => unknown): CacheError.CacheError => {
  try {
    f()
  } catch (error) {
    if (CacheError.isCacheError(error)) return error
    throw error
  }
  return assert.fail("it did not fail")
}

describe("redis URLs", () => {
  const local = { port: 6379, family: 0, db: 0, username: undefined, password: undefined, secure: false }

  it.each([
    ["redis://localhost", { ...local, host: "localhost" }],
    ["redis://127.0.0.1:7000/3", { ...local, host: "127.0.0.1", port: 7000, db: 3 }],
    ["redis://[::1]:7000/", { ...local, host: "::1", port: 7000 }],
    ["redis://:p%40ss%3Aw%2Ford%23@h", { ...local, host: "h", password: "p@ss:w/ord#" }],
    ["redis://app:s3cret@h/0", { ...local, host: "h", username: "app", password: "s3cret" }],
    ["rediss://h:6380?family=6", { ...local, host: "h", port: 6380, family: 6, secure: true }]
  ])("reads %s", (url, address) => {
    expect(parse(url)).toStrictEqual(address)
  })

  it.each([
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis:///0",
    "redis://h:99999",
    "redis://h/db1",
    "redis://h/0/1",
    "redis://h/-1",
    "redis://:%zz@h",
    "redis://h?password=p",
    "redis://:se#cret@h",
    "redis://h#0"
  ])("refuses %s", (url) => {
    assert.strictEqual(errorOf(() => parse(url)).reason, "InvalidOption")
  })

  it("never quotes a password", () => {
    const password = "hunter2"
    const broken = fc.constantFrom(
      `redis://app:${password}@`,
      `redis://app:${password}@h:port`,
      `redis://app:${password}%@h`,
      `redis://app:${password}#@h`,
      `redis://app:${password}@h/db`,
      `app:${password}@h`,
      `postgres://app:${password}@h`,
      `redis://h?password=${password}`
    )
    fc.assert(
      fc.property(broken, (url) => {
        assert.notInclude(JSON.stringify(errorOf(() => parse(url))), password)
        assert.notInclude(String(errorOf(() => parse(url)).stack), password)
      })
    )
  })
})

describe("time-outs", () => {
  it("are rounded up to whole milliseconds", () => {
    assert.strictEqual(redisOptions.timeoutMillis("commandTimeout", "1 second"), 1000)
    assert.strictEqual(redisOptions.timeoutMillis("commandTimeout", { microseconds: 1 }), 1)
  })

  const isInput = (input: unknown): input is Ttl.Input => input !== undefined
  const notTimeouts: ReadonlyArray<unknown> = ["0 millis", "-1 seconds", "Infinity", "soon", 500, null, "30 days"]
  it.each(notTimeouts.filter(isInput))("refuse %s", (input) => {
    assert.strictEqual(errorOf(() => redisOptions.timeoutMillis("commandTimeout", input)).reason, "InvalidOption")
  })
})
