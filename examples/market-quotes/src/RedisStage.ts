/**
 * A feeder and readers as processes of their own, on the tiered backend: each has an L1, all share one Redis.
 */
import { randomUUID } from "node:crypto"
import { createCache, Market, type PromiseCache } from "tiercache"
import * as Child from "./Child.ts"
import * as Convergence from "./Convergence.ts"
import type { Options } from "./Options.ts"
import type { View } from "./Report.ts"
import type { Stage } from "./Stage.ts"
import type { StockPrices } from "./StockPrices.ts"

/** Connects to Redis; the other processes begin with `start`. Rejects with one readable line if Redis cannot be used. */
export const open = async (url: string, { rate, readers }: Options, prices: StockPrices): Promise<Stage> => {
  const prefix = `tiercache-demo-${randomUUID().slice(0, 8)}`
  await using opening = new AsyncDisposableStack()
  // the parent looks into Redis itself: that is what the L1s of the others are compared with
  const cache = await createCache({ backend: "redis", prefix, redis: { url } }).catch((error: Error) => {
    throw new Error(`REDIS_URL: ${error.message}`, { cause: error })
  })
  opening.defer(cache.close)
  const { healthy, problem } = await cache.health()
  if (!healthy) throw new Error(problem)
  const opened = opening.move()
  opened.defer(() => deleteAll(cache, prefix))

  const symbols = [...prices.keys()]
  const jobs = [
    { name: "feeder", prefix, symbols, rate, readers: 0 },
    ...Array.from({ length: readers }, (_, index) => ({
      name: `reader ${index + 1}`,
      prefix,
      symbols,
      rate: 0,
      readers: 1
    }))
  ]
  const failure = Promise.withResolvers<never>()
  let children: ReadonlyArray<Child.Child> = []
  const reports = () => children.flatMap(({ report }) => report() ?? [])

  return {
    description: `tiered backend, ${jobs.length} processes, Redis at ${new URL(url).host}`,
    start: async () => {
      children = jobs.map((job) => opened.use(Child.open(job)))
      for (const child of children) child.failure.catch(failure.reject)
      await Promise.all(children.map(({ ready }) => ready))
      children.forEach(({ start }) => start())
    },
    reports: () => (reports().length === children.length ? reports() : []),
    stop: async () => {
      const [feeder, ...others] = children
      await feeder?.stop()
      await Promise.all(others.map(({ stop }) => stop()))
    },
    converge: () => Convergence.reach(() => viewOf(cache, symbols), children),
    failure: failure.promise,
    [Symbol.asyncDispose]: () => opened.disposeAsync()
  }
}

const viewOf = async (cache: PromiseCache, symbols: ReadonlyArray<string>): Promise<View> => {
  const quotes = await cache.entity(Market.Quotes).getMany(symbols)
  return Object.fromEntries([...quotes].map(([symbol, quote]) => [symbol, quote ? JSON.stringify(quote) : null]))
}

const deleteAll = async (cache: PromiseCache, prefix: string): Promise<void> => {
  try {
    await cache.deletePattern("*")
  } catch (error) {
    throw new Error(`the keys ${prefix}:* could not be deleted, and expire by themselves`, { cause: error })
  }
}
