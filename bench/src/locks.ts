/**
 * What locks cost: `pnpm --filter @tiercache/bench locks`. With REDIS_URL, on that Redis too, whose keys `bench:*` it writes.
 */
import { Context, Effect, Layer } from "effect"
import { CacheBackend, Lock, Memory, Redis } from "tiercache"
import { percentile } from "./percentile.ts"

const FOREVER = { ttl: "10 seconds", wait: "forever" } as const

const onRedis = (url: string) => Redis.layer({ prefix: "bench", redis: { url, commandTimeout: "30 seconds" } })

/** Acquisitions of a lock that nobody else wants, one after the other; the first half of them warms up. */
const alone = Effect.gen(function* () {
  const micros: Array<number> = []
  for (let round = 0; round < 10_000; round++) {
    const start = performance.now()
    yield* Lock.withLock("alone", FOREVER)(Effect.void)
    micros.push((performance.now() - start) * 1000)
  }
  const measured = micros.slice(5000)
  return { "p50 µs": Math.round(percentile(measured, 0.5)), "p99 µs": Math.round(percentile(measured, 0.99)) }
})

/** How many scripts Redis has run, and how long that took it in microseconds. */
const scripts = Effect.gen(function* () {
  const backend = yield* CacheBackend.CacheBackend
  const text = yield* backend.run<never, undefined, unknown>(
    {
      name: "bench-stats",
      type: "bench",
      lua: "return redis.call('INFO', 'commandstats')",
      args: () => [],
      reply: (raw) => raw,
      reducer: () => undefined
    },
    [],
    undefined
  )
  const found = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(String(text))
  return { calls: Number(found?.[1] ?? 0), micros: Number(found?.[2] ?? 0) }
})

const ROUNDS = 20

/** Several clients, each with connections of its own, that want the same lock all the time and hold it for 2 ms. */
const contended = (url: string, clients: number) =>
  Effect.gen(function* () {
    const members = yield* Effect.all(
      Array.from({ length: clients }, () => Layer.build(Layer.fresh(onRedis(url)))),
      { concurrency: 8 }
    )
    const idle: Array<number> = []
    const waits: Array<number> = []
    let releasedAt = NaN
    const round = (lock: Lock.Lock["Service"], name: string) =>
      Effect.suspend(() => {
        const start = performance.now()
        return lock.withLock(
          name,
          FOREVER
        )(
          Effect.gen(function* () {
            const now = performance.now()
            waits.push(now - start)
            if (releasedAt > start) idle.push(now - releasedAt)
            yield* Effect.sleep("2 millis")
            releasedAt = performance.now()
          })
        )
      })
    const all = (name: string) =>
      Effect.forEach(
        members,
        (member) => Effect.repeat(round(Context.get(member, Lock.Lock), name), { times: ROUNDS - 1 }),
        { concurrency: "unbounded" }
      )
    yield* all("warm-up")
    idle.length = 0
    waits.length = 0
    const stats = Effect.provide(scripts, onRedis(url))
    const before = yield* stats
    yield* all("contended")
    const after = yield* stats
    const calls = after.calls - before.calls
    return {
      clients,
      "idle p50 ms": percentile(idle, 0.5).toFixed(2),
      "idle p99 ms": percentile(idle, 0.99).toFixed(2),
      "longest wait ms": Math.round(Math.max(...waits)),
      "commands per acquisition": (calls / (clients * ROUNDS)).toFixed(1),
      "µs in Redis per command": ((after.micros - before.micros) / calls).toFixed(1)
    }
  }).pipe(Effect.scoped)

const inRedis = Effect.fnUntraced(function* (url: string) {
  console.table([{ store: "Redis", ...(yield* Effect.provide(alone, onRedis(url))) }])
  const rows: Array<Effect.Success<ReturnType<typeof contended>>> = []
  for (const clients of [4, 16, 64]) rows.push(yield* contended(url, clients))
  console.table(rows)
})

console.table([{ store: "memory", ...(await Effect.runPromise(Effect.provide(alone, Memory.layer()))) }])
const url = process.env["REDIS_URL"]
if (url !== undefined) await Effect.runPromise(inRedis(url))
