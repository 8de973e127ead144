/**
 * Prints, as JSON, how many bytes of heap each way to read a hit in L1 allocates:
 * `node --expose-gc --min-semi-space-size=64 --max-semi-space-size=64 allocations.ts <redis url>`. The young generation is so large that
 * nothing is collected while it counts.
 */
import { Cache, createCache, Market, Tiered } from "tiercache"
import { Effect, ManagedRuntime } from "effect"
import { quoteOf } from "../../src/quotes.ts"

const [, , url = ""] = process.argv
const SYMBOL = "AAPL"
const TTL = { ttl: "1 hour" } as const
/** Until the compiler is done with it. */
const WARM_UP = 100_000
const HITS = 20_000

const noLoad = () => Promise.reject(new Error("a hit needs no load"))

const cache = await createCache({ backend: "tiered", redis: { url } })
const quotes = cache.entity(Market.Quotes)
await quotes.set(SYMBOL, quoteOf(SYMBOL), TTL)
await quotes.get(SYMBOL)

const runtime = ManagedRuntime.make(Tiered.layer({ prefix: "fiber", redis: { url } }))
const inFiber = await runtime.runPromise(Cache.entity(Market.Quotes))
await runtime.runPromise(inFiber.set(SYMBOL, quoteOf(SYMBOL), TTL))
await runtime.runPromise(inFiber.get(SYMBOL))

const ways: Readonly<Record<string, (times: number) => unknown>> = {
  peek: (times) => {
    for (let time = 0; time < times; time++) quotes.peek(SYMBOL)
  },
  "await get": async (times) => {
    for (let time = 0; time < times; time++) await quotes.get(SYMBOL)
  },
  "await getOrLoad": async (times) => {
    for (let time = 0; time < times; time++) await quotes.getOrLoad(SYMBOL, noLoad)
  },
  "yield* get": (times) =>
    runtime.runPromise(
      Effect.gen(function* () {
        for (let time = 0; time < times; time++) yield* inFiber.get(SYMBOL)
      })
    )
}

const bytes: Record<string, number> = {}
for (const [way, run] of Object.entries(ways)) {
  await run(WARM_UP)
  const rounds: Array<number> = []
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    await run(HITS)
    rounds.push((process.memoryUsage().heapUsed - before) / HITS)
  }
  // what runs beside it, such as heartbeats, only adds
  bytes[way] = Math.min(...rounds)
}
console.log(JSON.stringify(bytes))
process.exit(0)
