/**
 * A child process: does its job as it is told, and ends with the channel to its parent.
 */
import { CacheManager } from "tiercache"
import * as Participant from "./Participant.ts"
import * as Protocol from "./Protocol.ts"
import * as StockPrices from "./StockPrices.ts"

/** Time between two reports, in milliseconds: what an eye follows. */
const REPORT_EVERY = 250

let reporting: NodeJS.Timeout | undefined
let cleanUp = async (): Promise<void> => {}

// Ctrl-C reaches every process of the terminal; the parent decides what follows from it
process.on("SIGINT", () => {})
process.on("disconnect", () => {
  clearInterval(reporting)
  void cleanUp().finally(() => process.exit())
})

const send = (message: Protocol.Message): void => {
  // a parent that is gone needs no news, and the failure to tell it is no error
  if (process.connected) process.send?.(message, () => {})
}

const fail = (error: unknown): void =>
  send({ _tag: "failed", problem: error instanceof Error ? error.message : String(error) })

const work = async (): Promise<void> => {
  const job = Protocol.decodeJob(process.argv[2])
  const prices = StockPrices.select(await StockPrices.load(), job.symbols)
  const tradecore = await CacheManager.start({
    backend: "tiered",
    prefix: job.prefix,
    redis: { url: process.env.REDIS_URL ?? "" },
    // there is nothing yet under a prefix that nobody has used
    cleanup: { onStartup: false }
  })
  const participant = Participant.make({
    ...job,
    quotes: tradecore.market.quote,
    metrics: tradecore.cache.metrics,
    prices
  })
  cleanUp = async () => {
    await participant.stop()
    await tradecore.stop()
  }

  const obey: Record<Protocol.Command, () => void | Promise<void>> = {
    start: () => {
      participant.run().catch(fail)
      reporting = setInterval(() => send({ _tag: "report", report: participant.report() }), REPORT_EVERY)
    },
    stop: async () => {
      clearInterval(reporting)
      await participant.stop()
      send({ _tag: "stopped", report: participant.report() })
    },
    // a view that cannot be had is one without quotes: the parent will ask again
    view: async () => send({ _tag: "view", view: await participant.view().catch(() => ({})) })
  }
  process.on("message", (command) => obey[Protocol.decodeCommand(command)]())
  send({ _tag: "ready" })
}

// the parent may have gone while this file was loaded, and then nothing will tell
if (process.connected) work().catch(fail)
else process.exit()
