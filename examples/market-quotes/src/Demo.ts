/**
 * The course of the demo: feed, look, stop, compare, sum up.
 */
import { setTimeout } from "node:timers/promises"
import type { Display } from "./Display.ts"
import * as Frame from "./Frame.ts"
import type { Options } from "./Options.ts"
import type { Stage } from "./Stage.ts"
import type { StockPrices } from "./StockPrices.ts"

/** Resolves to whether all processes saw the last quotes; rejects soon after the signal, and shows nothing any more. */
export const run = async (
  stage: Stage,
  display: Display,
  { seconds, symbols }: Options,
  prices: StockPrices,
  signal: AbortSignal
): Promise<boolean> => {
  display.begin({
    symbols,
    prices: [...prices.values()].reduce((sum, { length }) => sum + length, 0),
    stage: stage.description
  })
  await stage.start()
  signal.throwIfAborted()

  const live = Frame.makeLive()
  const startedAt = performance.now()
  const elapsed = () => (performance.now() - startedAt) / 1000
  const frame = (rows: ReadonlyArray<Frame.Row>): Frame.Frame => ({
    elapsed: Math.min(elapsed(), seconds),
    seconds,
    symbol: symbols[0] ?? "",
    rows
  })

  for (let next = 0; next < seconds;) {
    next = Math.min(next + display.interval / 1000, seconds)
    await setTimeout(Math.max(0, next - elapsed()) * 1000, undefined, { signal })
    const rows = live(stage.reports())
    if (rows.length > 0) display.show(frame(rows))
  }
  await stage.stop()
  const convergence = await stage.converge()
  signal.throwIfAborted()
  display.end({ ...frame(stage.reports().map(Frame.average)), convergence })
  return convergence === undefined || convergence.differences.length === 0
}
