import { CacheBackend, Codec } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect } from "effect"
import { Redis } from "ioredis"
const url = "redis://127.0.0.1:6379/9"
const program = Effect.gen(function*(){
  const ctx = yield* RedisBackend.make({ url })
  const b = Context.get(ctx, CacheBackend.CacheBackend)
  const client = new Redis(url)
  const value = { symbol: "AAPL", bid: 1.5, ask: 2.5, last: 2, timestamp: 1754000000 }
  const keys = Array.from({length:100}, (_, i) => `bench:${i}`)
  yield* b.setMany(keys.map(k => [k, value] as const), Codec.msgpack, { ttl: "1 minute" })
  const time = Effect.fnUntraced(function*(name: string, n: number, e: Effect.Effect<unknown, unknown>) {
    for (let i = 0; i < 20; i++) yield* e
    const c0 = process.cpuUsage(); const t = performance.now(); let count = 0
    while (performance.now() - t < 1500) { yield* e; count += n }
    const cpu = process.cpuUsage(c0)
    console.log(name.padEnd(34), Math.round(count / (performance.now() - t) * 1000), "ops/s", ((cpu.user + cpu.system) / count).toFixed(1), "us cpu/op")
  })
  yield* time("raw getBuffer x100", 100, Effect.promise(() => Promise.all(keys.map(k => client.getBuffer(k)))))
  yield* time("backend get x100", 100, Effect.forEach(keys, k => b.get(k, Codec.msgpack), { concurrency: "unbounded" }))
  yield* time("backend get x1", 1, b.get("bench:1", Codec.msgpack))
  yield* time("raw get x1", 1, Effect.promise(() => client.getBuffer("bench:1")))
  yield* time("raw mgetBuffer 100", 100, Effect.promise(() => client.mgetBuffer(keys)))
  yield* time("backend getMany 100", 100, b.getMany(keys, Codec.msgpack))
  yield* time("backend set x100", 100, Effect.forEach(keys, k => b.set(k, Codec.msgpack, value, { ttl: "1 minute" }), { concurrency: "unbounded" }))
  yield* time("backend set x1", 1, b.set("bench:1", Codec.msgpack, value, { ttl: "1 minute" }))
  yield* time("backend setMany 100", 100, b.setMany(keys.map(k => [k, value] as const), Codec.msgpack, { ttl: "1 minute" }))
  yield* b.deleteMany(keys)
  client.disconnect()
})
await Effect.runPromise(Effect.scoped(program))
