/**
 * What a hit in this process costs: one hot key, and ten thousand keys that are asked for as popular things are (Zipf's law).
 */
import { Cache as EffectCache, Effect, ManagedRuntime } from "effect"
import { LRUCache } from "lru-cache"
import { Cache, Market, Tiered } from "tiercache"
import { inBatches } from "../inBatches.ts"
import { compare, type Task } from "../measure.ts"
import { quoteOf } from "../quotes.ts"
import { all } from "../rivals/index.ts"
import { lruCacheOfCopies } from "../rivals/lruCache.ts"
import { MAX_ENTRIES, type Opened, type Rival, TTL, type Value } from "../rivals/Rival.ts"
import type { Measurement, Suite } from "../Suite.ts"
import { zipf } from "../zipf.ts"

const KEYS = 10_000
/** Of a run: enough for the timer, few enough that a run is not interrupted by other work of the machine. */
const HITS = 1000
/** Of those that take microseconds. */
const AWAITED = 100

const symbols = Array.from({ length: KEYS }, (_, index) => `SYM${index}`)

const workloads: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ["one key", Array.from({ length: HITS }, () => "SYM0")],
  ["Zipf, 10 000 keys", zipf(symbols, HITS)]
]

/** Copies cost their memory, not the time of a hit. */
const isMeasured = (rival: Rival) => rival.tiers !== "L2" && rival !== lruCacheOfCopies

export const l1Hits: Suite = {
  name: "l1-hits",
  title: "A hit in L1",
  run: async ({ effort, progress, servers }) => {
    const opened: Array<{ readonly name: string; readonly cache: Opened }> = []
    for (const { name, open } of all.filter(isMeasured)) {
      progress(`fills ${name}`)
      const cache = await open({ redisUrl: await servers.emptied(name), l1: true })
      await inBatches(symbols, (symbol) => cache.set(symbol, quoteOf(symbol)))
      // what serves from L1 only what it has read
      await inBatches(symbols, cache.get)
      opened.push({ name, cache })
    }
    const bare = new LRUCache<string, Value>({ max: MAX_ENTRIES, ttl: TTL })
    for (const symbol of symbols) bare.set(symbol, quoteOf(symbol))
    const fibers = await inFibers(await servers.emptied("tiercache, in a fiber"))

    const measurements: Array<Measurement> = []
    for (const [workload, keys] of workloads) {
      const awaited: Task = {
        name: "lru-cache, awaited: get",
        operations: AWAITED,
        run: async () => {
          // oxlint-disable-next-line typescript/await-thenable -- what awaiting alone costs
          for (let hit = 0; hit < AWAITED; hit++) await bare.get(keys[hit] ?? "")
        }
      }
      const tasks = [awaited, ...opened.flatMap(({ cache, name }) => tasksOf(name, cache, keys)), ...fibers.tasks(keys)]
      progress(`compares ${tasks.length} tasks, ${workload}`)
      for (const { name, spread, value } of await compare(tasks, effort, "ns")) {
        measurements.push({ name, workload, value, unit: "ns", spread })
      }
    }
    await fibers.close()
    await Promise.all(opened.map(({ cache }) => cache.close()))
    return measurements
  }
}

const tasksOf = (name: string, { get, getOrLoad, peek }: Opened, keys: ReadonlyArray<string>): ReadonlyArray<Task> => {
  const awaited = (how: string, read: (key: string) => Promise<unknown>): Task => {
    let next = 0
    return {
      name: `${name}: ${how}`,
      operations: AWAITED,
      run: async () => {
        for (let hit = 0; hit < AWAITED; hit++) await read(keys[next++ % HITS] ?? "")
      }
    }
  }
  return [
    ...(peek === undefined ? [] : [{ name: `${name}: peek`, operations: HITS, run: () => keys.forEach(peek) }]),
    // its get is awaited as it is, and not in a function that makes promises of its own
    ...(name === "lru-cache" ? [] : [awaited("get", get)]),
    ...(getOrLoad === undefined ? [] : [awaited("getOrLoad", (key) => getOrLoad(key, fail))])
  ]
}

const fail = () => Promise.reject(new Error("a hit needs no load"))

/** In a fiber: ours, and Effect's own cache, which knows neither Redis nor other processes. */
const inFibers = async (redisUrl: string) => {
  const runtime = ManagedRuntime.make(
    Tiered.layer({ prefix: "fiber", redis: { url: redisUrl }, l1: { maxEntries: MAX_ENTRIES } })
  )
  const { own, quotes } = await runtime.runPromise(
    Effect.gen(function* () {
      const quotes = yield* Cache.entity(Market.Quotes)
      const own = yield* EffectCache.make({
        capacity: MAX_ENTRIES,
        timeToLive: TTL,
        lookup: (symbol: string) => Effect.succeed(quoteOf(symbol))
      })
      for (const symbol of symbols) {
        yield* quotes.set(symbol, quoteOf(symbol), { ttl: "1 hour" })
        yield* EffectCache.get(own, symbol)
      }
      return { own, quotes }
    })
  )
  const task = (
    name: string,
    keys: ReadonlyArray<string>,
    get: (key: string) => Effect.Effect<unknown, unknown>
  ): Task => {
    const reads = Effect.gen(function* () {
      for (const key of keys) yield* get(key)
    })
    return { name, operations: HITS, run: () => Effect.runPromise(reads) }
  }
  const noLoad = Effect.die("a hit needs no load")
  return {
    tasks: (keys: ReadonlyArray<string>): ReadonlyArray<Task> => [
      task("tiercache, in a fiber: get", keys, quotes.get),
      task("tiercache, in a fiber: getOrLoad", keys, (key) => quotes.getOrLoad(key, noLoad)),
      task("effect Cache, in a fiber: get", keys, (key) => EffectCache.get(own, key))
    ],
    close: () => runtime.dispose()
  }
}
