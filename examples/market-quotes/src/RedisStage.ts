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

/** Starts the processes, and waits until all are ready. Rejects with one readable line if Redis cannot be used. */
export const open = async (url: string, { rate, readers }: Options, prices: StockPrices): Promise<Stage> => {
  const symbols = [...prices.keys()]
  const prefix = `tiercache-demo-${randomUUID().slice(0, 8)}`
  await using opening = new AsyncDisposableStack()

  // the parent looks into Redis itself: that is what the L1s of the others are compared with
  const cache = await createCache({ backend: "redis", prefix, redis: { url } }).catch((error: Error) => {
    throw new Error(`REDIS_URL: ${error.message}`, { cause: error })
  })
  opening.defer(cache.close)
  const { healthy, problem } = await cache.health()
  if (!healthy) throw new Error(problem)

  opening.defer(() => deleteAll(cache, prefix))
  const job = { prefix, symbols }
  const feeder = opening.use(Child.open({ ...job, name: "feeder", rate, readers: 0 }))
  const others = Array.from({ length: readers }, (_, index) =>
    opening.use(Child.open({ ...job, name: `reader ${index + 1}`, rate: 0, readers: 1 }))
  )
  const children = [feeder, ...others]
  await Promise.all(children.map(({ ready }) => ready))

  const opened = opening.move()
  const reports = () => children.flatMap(({ report }) => report() ?? [])
  return {
    description: `tiered backend, ${children.length} processes, Redis at ${new URL(url).host}`,
    start: () => children.forEach(({ start }) => start()),
    reports: () => (reports().length === children.length ? reports() : []),
    stop: async () => {
      await feeder.stop()
      await Promise.all(others.map(({ stop }) => stop()))
    },
    converge: () => Convergence.reach(() => viewOf(cache, symbols), children),
    failure: Promise.race(children.map(({ failure }) => failure)),
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
