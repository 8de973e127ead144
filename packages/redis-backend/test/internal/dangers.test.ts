import { assert, describe, it } from "@effect/vitest"
import * as Dangers from "../../src/internal/dangers.ts"
import * as ServerInfo from "../../src/internal/serverInfo.ts"

const NOTHING_USED: Dangers.Uses = { scriptState: false, replicas: 0 }

const dangersOf = (info: string, uses: Partial<Dangers.Uses> = {}) =>
  Dangers.of(ServerInfo.parse(info), { ...NOTHING_USED, ...uses })

describe("eviction", () => {
  it.each(["allkeys-lru", "allkeys-lfu", "allkeys-random"])("of any key is dangerous: %s", (policy) => {
    const [danger, ...others] = dangersOf(`maxmemory_policy:${policy}\nmaxmemory:0`)
    assert.match(danger ?? "", new RegExp(`maxmemory-policy is ${policy}: tag indexes`))
    assert.deepStrictEqual(others, [])
  })

  it.each(["volatile-lru", "volatile-ttl"])("of keys with a TTL is dangerous to locks only: %s", (policy) => {
    const info = `maxmemory_policy:${policy}`
    assert.deepStrictEqual(dangersOf(info), [])
    assert.deepStrictEqual(dangersOf(info, { scriptState: true }), [
      `maxmemory-policy is ${policy}: locks and limits, which are in use, may be evicted`
    ])
  })

  it("that does not happen is not dangerous", () => {
    assert.deepStrictEqual(dangersOf("maxmemory_policy:noeviction", { scriptState: true }), [])
  })

  it.each(["", "maxmemory_policy:something-new"])("that nobody knows about may be dangerous: %o", (info) => {
    assert.match(dangersOf(info)[0] ?? "", /does not tell/)
  })
})

describe("memory that is nearly full", () => {
  const memory = (used: number, policy: string) => `used_memory:${used}\nmaxmemory:1000\nmaxmemory_policy:${policy}`

  it("is dangerous where nothing is evicted", () => {
    assert.deepStrictEqual(dangersOf(memory(899, "noeviction")), [])
    assert.deepStrictEqual(dangersOf(memory(957, "noeviction")), [
      "95 % of maxmemory is used; when it is full, writes are refused"
    ])
    assert.deepStrictEqual(dangersOf(memory(957, "volatile-lru")), [])
  })

  it("cannot be where there is no limit", () => {
    assert.deepStrictEqual(dangersOf("used_memory:1000\nmaxmemory:0\nmaxmemory_policy:noeviction"), [])
  })
})

describe("replicas", () => {
  const info = "maxmemory_policy:noeviction\nrole:master\nmaster_repl_offset:9\nslave0:state=online,offset=9,lag=0"

  it("that are waited for have to be there", () => {
    assert.deepStrictEqual(dangersOf(info, { replicas: 1 }), [])
    assert.deepStrictEqual(dangersOf(info, { replicas: 2 }), ["1 replicas follow, and 2 were waited for"])
  })
})
