/**
 * What rate limits cost, and how exact they are: `pnpm --filter @tiercache/bench limits`. With REDIS_URL, on that Redis too, whose
 * keys `bench:*` it writes.
 */
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CacheBackend, CacheKey, createCache, Memory, RateLimit, RateLimiter, Redis } from "tiercache"
import { percentile } from "./percentile.ts"

const LIMIT = 100
const SECOND = "1 second"

/** As many in a second by each algorithm; GCRA with a burst of all of it and of a tenth. */
const policies = (limit: number): Readonly<Record<string, RateLimit.Policy>> => {
  const window = { limit, window: SECOND, deadline: "30 seconds" } as const
  const gcra = { limit, period: SECOND, deadline: "30 seconds" } as const
  return {
    "GCRA, burst = limit": RateLimit.gcra("gcra", gcra),
    "GCRA, burst = limit / 10": RateLimit.gcra("gcra10", { ...gcra, burst: limit / 10 }),
    "fixed window": RateLimit.fixedWindow("fixed", { ...window, align: "clock" }),
    "sliding counter": RateLimit.slidingCounter("sliding", window),
    "exact log": RateLimit.exactLog("log", window)
  }
}

/** Measured in memory, where time is what the test says. */
interface Accuracy {
  /** The most in any second, in percent of the limit. */
  readonly worst: number
  /** All that passed, in percent of what the exact log let pass. */
  readonly passed: number
}

/** Calls at given distances in milliseconds; when which of them passed. */
const admitted = (policy: RateLimit.Policy, gaps: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    let now = 0
    for (const gap of gaps) {
      now += gap
      yield* TestClock.adjust(Duration.millis(gap))
      if ((yield* RateLimiter.consume(policy, "subject")).allowed) times.push(now)
    }
    return times
  }).pipe(Effect.provide(Layer.provideMerge(Memory.layer(), TestClock.layer())))

const worstOf = (times: ReadonlyArray<number>): number => {
  let [worst, first] = [0, 0]
  for (const [index, time] of times.entries()) {
    while ((times[first] ?? 0) <= time - 1000) first++
    worst = Math.max(worst, index - first + 1)
  }
  return worst
}

/** Ten times the limit, evenly; a tenth of a second of flood in every 1.3; and whatever hurts most at the border of two windows. */
const traffic: Readonly<Record<string, ReadonlyArray<number>>> = {
  flood: Array.from({ length: 20_000 }, () => 1),
  bursts: Array.from({ length: 200 }, () => [1200, ...Array.from({ length: 200 }, () => 0.5)]).flat(),
  border: [2990, ...Array.from({ length: 200 }, () => 0.04), 3, ...Array.from({ length: 20_000 }, () => 0.05)]
}

const accuracy = (policy: RateLimit.Policy, exact: RateLimit.Policy, gaps: ReadonlyArray<number>) =>
  Effect.gen(function* (): Effect.fn.Return<Accuracy, unknown> {
    const times = yield* admitted(policy, gaps)
    const reference = yield* admitted(exact, gaps)
    return { worst: worstOf(times), passed: (100 * times.length) / reference.length }
  })

const accuracies = Effect.gen(function* () {
  const all = policies(LIMIT)
  const exact = all["exact log"]
  if (exact === undefined) return
  const rows: Array<Readonly<Record<string, string>>> = []
  for (const [name, policy] of Object.entries(all)) {
    const row: Record<string, string> = { algorithm: name }
    for (const [kind, gaps] of Object.entries(traffic)) {
      const { passed, worst } = yield* accuracy(policy, exact, gaps)
      row[`${kind}: most in 1 s`] = `${worst} %`
      row[`${kind}: passed`] = `${passed.toFixed(1)} %`
    }
    rows.push(row)
  }
  console.table(rows)
})

const CALLS = 50_000

/** Calls a second, from so many fibers. */
const throughput = (policy: RateLimit.Policy, fibers: number) =>
  Effect.gen(function* () {
    const calls = Effect.gen(function* () {
      for (let call = 0; call < CALLS / fibers; call++) yield* RateLimiter.consume(policy, "subject")
    })
    const start = performance.now()
    yield* Effect.all(
      Array.from({ length: fibers }, () => calls),
      { concurrency: "unbounded" }
    )
    return CALLS / ((performance.now() - start) / 1000)
  })

/** A script of one's own for the server of a backend. */
const onServer = (lua: string, keys: ReadonlyArray<string> = []) =>
  CacheBackend.CacheBackend.use((backend) =>
    backend.run<never, undefined, unknown>(
      { name: "bench", type: "bench", lua, args: () => [], reply: (raw) => raw, reducer: () => undefined },
      keys,
      undefined
    )
  )

/** What Redis has spent on scripts: calls and microseconds. */
const scriptTime = Effect.map(onServer("return redis.call('INFO', 'commandstats')"), (text) => {
  const found = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(String(text))
  return { calls: Number(found?.[1] ?? 0), micros: Number(found?.[2] ?? 0) }
})

/** One call after the other, in milliseconds. */
const latency = (policy: RateLimit.Policy) =>
  Effect.gen(function* () {
    const millis: Array<number> = []
    for (let call = 0; call < 5000; call++) {
      const start = performance.now()
      yield* RateLimiter.consume(policy, "subject")
      millis.push(performance.now() - start)
    }
    return { p50: percentile(millis, 0.5), p99: percentile(millis, 0.99) }
  })

const perSecond = (rate: number) => `${Math.round(rate / 1000)} k/s`

/** Nothing is denied by a limit of so many, and nearly everything by one of 10. */
const PLENTY = 10_000

const MEMORY_CALLS = 500_000
const subjects = Array.from({ length: 1000 }, (_, index) => `user-${index}`)

/** Of the time of this process, since other work on the machine is not what is measured; the best of a few times. */
const nanosPerCall = async (calls: () => Promise<unknown>) => {
  let best = Infinity
  for (let time = 0; time < 5; time++) {
    const before = process.cpuUsage()
    await calls()
    const { system, user } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1000) / MEMORY_CALLS)
  }
  return best.toFixed(0)
}

const inMemory = async () => {
  const rows: Array<Readonly<Record<string, string>>> = []
  await using cache = await createCache({ prefix: "bench" })
  const nothing = Effect.sync(() => undefined)
  const idle = Effect.gen(function* () {
    for (let call = 0; call < MEMORY_CALLS; call++) yield* nothing
  })
  rows.push({ "in memory, ns": "nothing", "yield*": await nanosPerCall(() => Effect.runPromise(idle)) })
  for (const [name, policy] of Object.entries(policies(PLENTY))) {
    const consumed = Effect.gen(function* () {
      const limiter = yield* RateLimiter.RateLimiter
      for (let call = 0; call < MEMORY_CALLS; call++) yield* limiter.consume(policy, subjects[call % 1000] ?? "")
    }).pipe(Effect.provide(Memory.layer({ prefix: "bench" })))
    rows.push({
      "in memory, ns": name,
      "yield*": await nanosPerCall(() => Effect.runPromise(consumed)),
      await: await nanosPerCall(async () => {
        for (let call = 0; call < MEMORY_CALLS; call++) await cache.consume(policy, subjects[call % 1000] ?? "")
      })
    })
  }
  console.table(rows)
}

/** So many that what it costs to ask Redis for its times is little beside them. */
const TURN_CALLS = 2500

/** Both at the same concurrency, in turns, so that both find the machine alike. */
const besideIncr = (policy: RateLimit.Policy, fibers: number) =>
  Effect.gen(function* () {
    const millis = { incr: Array<number>(), consume: Array<number>() }
    const micros = { incr: 0, consume: 0 }
    const incr = onServer("return redis.call('INCR', KEYS[1])", ["bench:incr"])
    const timed = <A, E, R>(call: Effect.Effect<A, E, R>, into: Array<number>) =>
      Effect.gen(function* () {
        for (let count = 0; count < TURN_CALLS / fibers; count++) {
          const start = performance.now()
          yield* call
          into.push(performance.now() - start)
        }
      })
    const calls = { incr, consume: RateLimiter.consume(policy, "subject") }
    for (let turn = 0; turn < 20; turn++) {
      for (const kind of ["incr", "consume"] as const) {
        const before = yield* scriptTime
        yield* Effect.all(
          Array.from({ length: fibers }, () =>
            timed<unknown, unknown, CacheBackend.CacheBackend | RateLimiter.RateLimiter>(calls[kind], millis[kind])
          ),
          { concurrency: "unbounded" }
        )
        micros[kind] += (yield* scriptTime).micros - before.micros
      }
    }
    yield* onServer("return redis.call('DEL', KEYS[1])", ["bench:incr"])
    const row = (kind: keyof typeof millis) => ({
      script: kind === "incr" ? "INCR alone" : "GCRA",
      "in flight": fibers,
      "p50 ms": percentile(millis[kind], 0.5).toFixed(2),
      "p99 ms": percentile(millis[kind], 0.99).toFixed(2),
      "µs in Redis": (micros[kind] / millis[kind].length).toFixed(2)
    })
    return [row("incr"), row("consume")]
  })

const inRedis = (url: string) =>
  Effect.gen(function* () {
    const rows: Array<Readonly<Record<string, string | number>>> = []
    for (const [limits, denies] of [
      [policies(PLENTY), false],
      [policies(10), true]
    ] as const) {
      for (const [name, policy] of Object.entries(limits)) {
        const own = { ...policy, name: `${policy.name}${denies ? "-denied" : ""}` }
        const limiter = yield* RateLimiter.RateLimiter
        yield* limiter.reset(own, "subject")
        yield* throughput(own, 64)
        const before = yield* scriptTime
        const rate = yield* throughput(own, 64)
        const after = yield* scriptTime
        const { p50, p99 } = yield* latency(own)
        const key = `bench:ratelimit:${CacheKey.encodePart(own.name)}:{subject}`
        rows.push({
          algorithm: name,
          mostly: denies ? "denied" : "allowed",
          "64 in flight": perSecond(rate),
          "µs in Redis": ((after.micros - before.micros) / (after.calls - before.calls)).toFixed(1),
          "p50 ms": p50.toFixed(2),
          "p99 ms": p99.toFixed(2),
          "bytes of the key": Number(yield* onServer("return redis.call('MEMORY', 'USAGE', KEYS[1])", [key]))
        })
        yield* limiter.reset(own, "subject")
      }
    }
    console.table(rows)
    const [gcra] = Object.values(policies(PLENTY))
    if (gcra !== undefined) console.table([...(yield* besideIncr(gcra, 1)), ...(yield* besideIncr(gcra, 50))])
  }).pipe(Effect.provide(Redis.layer({ prefix: "bench", redis: { url, commandTimeout: "30 seconds" } })))

await Effect.runPromise(accuracies)
await inMemory()
const url = process.env["REDIS_URL"]
if (url !== undefined) await Effect.runPromise(inRedis(url))
