import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ServerInfo from "../../src/internal/serverInfo.ts"

const PRIMARY = [
  "# Server",
  "redis_version:7.4.1",
  "# Clients",
  "connected_clients:12",
  "# Memory",
  "used_memory:1048576",
  "used_memory_human:1.00M",
  "maxmemory:2097152",
  "maxmemory_policy:volatile-lru",
  "# Stats",
  "evicted_keys:3",
  "# Replication",
  "role:master",
  "connected_slaves:3",
  "slave0:ip=127.0.0.1,port=6380,state=online,offset=900,lag=0",
  "slave1:ip=127.0.0.1,port=6381,state=online,offset=1001,lag=2,type=replica",
  "slave2:ip=127.0.0.1,port=6382,state=send_bulk,offset=0,lag=0",
  "master_repl_offset:1000",
  ""
].join("\r\n")

const NOTHING: ServerInfo.ServerInfo = {
  version: undefined,
  role: undefined,
  evictionPolicy: undefined,
  evictedKeys: undefined,
  usedMemoryHuman: undefined,
  usedMemoryBytes: undefined,
  maxMemoryBytes: undefined,
  connectedClients: undefined,
  replicas: []
}

describe("INFO of a server", () => {
  it("tells what health shows, and of replicas those that follow", () => {
    assert.deepStrictEqual(ServerInfo.parse(PRIMARY), {
      version: "7.4.1",
      role: "primary",
      evictionPolicy: "volatile-lru",
      evictedKeys: 3,
      usedMemoryHuman: "1.00M",
      usedMemoryBytes: 1_048_576,
      maxMemoryBytes: 2_097_152,
      connectedClients: 12,
      replicas: [
        { lagBytes: 100, lagSeconds: 0 },
        { lagBytes: 0, lagSeconds: 2 }
      ]
    })
  })

  it("tells of a replica that it is one", () => {
    assert.strictEqual(ServerInfo.parse("role:slave\r\n").role, "replica")
  })

  it("may leave everything out", () => {
    assert.deepStrictEqual(ServerInfo.parse(""), NOTHING)
  })

  it("is not believed where it has another form", () => {
    const odd = ["role:king", "evicted_keys:-1", "maxmemory:1e9", `redis_version:${"7".repeat(10_000)}`]
    const controls = ["maxmemory_policy:allkeys-lru\u001B[31m", "slave0:state=online", "master_repl_offset:5"]
    assert.deepStrictEqual(ServerInfo.parse([...odd, ...controls].join("\n")), NOTHING)
  })

  it("may be any text", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(...PRIMARY.split("\r\n")))), (lines) => {
        const { replicas, role } = ServerInfo.parse(lines.join("\r\n"))
        assert.oneOf(role, ["primary", "replica", undefined])
        for (const { lagBytes, lagSeconds } of replicas) assert.isAtLeast(Math.min(lagBytes, lagSeconds), 0)
      })
    )
  })
})
