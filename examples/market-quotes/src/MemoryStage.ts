/**
 * One process, on the memory backend: the feeder and the readers share its event loop.
 */
import { CacheManager } from "tiercache"
import type { Options } from "./Options.ts"
import * as Participant from "./Participant.ts"
import type { Stage } from "./Stage.ts"
import type { StockPrices } from "./StockPrices.ts"

export const open = async ({ rate, readers }: Options, prices: StockPrices): Promise<Stage> => {
  // what it logs when it stops would go to where the display writes
  const tradecore = await CacheManager.start({ loggers: [] })
  const participant = Participant.make({
    name: `feeder + ${readers} reader${readers === 1 ? "" : "s"}`,
    quotes: tradecore.market.quote,
    metrics: tradecore.cache.metrics,
    prices,
    rate,
    readers
  })
  const failure = Promise.withResolvers<never>()
  return {
    description: "memory backend, one process; REDIS_URL is not set",
    start: async () => {
      participant.run().catch(failure.reject)
    },
    reports: () => [participant.report()],
    stop: participant.stop,
    converge: async () => undefined,
    failure: failure.promise,
    [Symbol.asyncDispose]: async () => {
      await participant.stop()
      await tradecore.stop()
    }
  }
}
