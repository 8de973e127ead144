/**
 * What a hit costs, beside a bare lru-cache with a TTL: `pnpm bench`.
 */
import { Effect } from "effect"
import { LRUCache } from "lru-cache"
import { Cache, createCache, Market, Memory } from "tiercache"
import { Bench } from "tinybench"
import { quoteOf } from "./quotes.ts"

const SYMBOLS = Array.from({ length: 1000 }, (_, index) => `SYM${index}`)

/** A hit is so short that a task repeats it, or the timer is what is measured. */
const HITS_PER_TASK = SYMBOLS.length

const bare = new LRUCache<string, Market.Quote>({ max: 10_000, ttl: 60_000 })
for (const symbol of SYMBOLS) bare.set(symbol, quoteOf(symbol))

await using cache = await createCache()
const quotes = cache.entity(Market.Quotes)
for (const symbol of SYMBOLS) await quotes.set(symbol, quoteOf(symbol), { ttl: "1 hour" })

const effectHits = Effect.gen(function* () {
  const quotes = yield* Cache.entity(Market.Quotes)
  for (const symbol of SYMBOLS) yield* quotes.set(symbol, quoteOf(symbol), { ttl: "1 hour" })
  return Effect.gen(function* () {
    for (const symbol of SYMBOLS) yield* quotes.get(symbol)
  })
}).pipe(Effect.provide(Memory.layer()))
const readAll = await Effect.runPromise(effectHits)

const bench = new Bench({ time: 1000, warmupTime: 200 })
  .add("lru-cache get", () => {
    for (const symbol of SYMBOLS) bare.get(symbol)
  })
  .add("await lru-cache get", async () => {
    // oxlint-disable-next-line typescript/await-thenable -- what awaiting alone costs
    for (const symbol of SYMBOLS) await bare.get(symbol)
  })
  .add("peek", () => {
    for (const symbol of SYMBOLS) quotes.peek(symbol)
  })
  .add("await get", async () => {
    for (const symbol of SYMBOLS) await quotes.get(symbol)
  })
  .add("yield* get", () => Effect.runPromise(readAll))

await bench.run()

const medians = new Map(
  bench.tasks.map(({ name, result }) => [
    name,
    result.state === "completed" ? (result.latency.p50 / HITS_PER_TASK) * 1e6 : NaN
  ])
)
const median = (name: string) => medians.get(name) ?? NaN
const ratio = (name: string, base: string) => (median(name) / median(base)).toFixed(2)

console.table(
  [
    ["peek", "lru-cache get"],
    ["await get", "await lru-cache get"],
    ["yield* get", "lru-cache get"]
  ].map(([name = "", base = ""]) => ({
    hit: name,
    "ns, median": median(name).toFixed(0),
    "compared with": base,
    "its ns": median(base).toFixed(0),
    ratio: ratio(name, base)
  }))
)
