/**
 * How soon another process sees a write: from the acknowledgement until a read there, which holds the old value in its L1, brings the new
 * one. Reads that go on and on, so that what takes effect is seen at once.
 */
import { rotated } from "../measure.ts"
import { percentile } from "../percentile.ts"
import { tiered } from "../rivals/index.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"
import * as Worker from "../workers/Worker.ts"

interface Pair {
  readonly name: string
  readonly writer: Worker.Worker
  readonly reader: Worker.Worker
  readonly lags: Array<number>
}

export const invalidation: Suite = {
  name: "invalidation",
  title: "Until another process sees a write",
  run: async (context) => {
    const { effort, isFull, progress } = context
    const pairs: Array<Pair> = []
    for (const { name } of tiered.filter(({ hasBus }) => hasBus)) {
      progress(`starts two processes with ${name}`)
      pairs.push(await pairOf(name, context))
    }
    const rounds = isFull ? 200 : effort.rounds * 5
    // the first round warms up
    for (let round = 0; round <= rounds; round++) {
      for (const { lags, name, reader, writer } of rotated(pairs, round)) {
        // who never tells would be waited for each time
        if (lags.filter((lag) => lag === Infinity).length > 1) continue
        try {
          const lag = await oneWrite(`LAG${round}`, writer, reader)
          if (round > 0) lags.push(lag)
        } catch (error) {
          progress(`${name} fails: ${String(error)}`)
        }
      }
    }
    await Promise.all(pairs.flatMap(({ reader, writer }) => [reader.close(), writer.close()]))
    return pairs.flatMap(({ lags, name }): ReadonlyArray<Measurement> => [
      { name, workload: "median", value: percentile(lags, 0.5), unit: "ms" },
      { name, workload: "99 of 100", value: percentile(lags, 0.99), unit: "ms" }
    ])
  }
}

const pairOf = async (name: string, { servers }: Context): Promise<Pair> => {
  const redisUrl = await servers.emptied(name)
  const [writer, reader] = await Promise.all([Worker.start(name, redisUrl), Worker.start(name, redisUrl)])
  return { name, writer, reader, lags: [] }
}

const oneWrite = async (key: string, writer: Worker.Worker, reader: Worker.Worker): Promise<number> => {
  await writer.ask({ _tag: "write", key, version: 1 })
  await reader.ask({ _tag: "hold", key })
  const seen = reader.ask({ _tag: "await", key, version: 2 })
  const written = await writer.ask({ _tag: "write", key, version: 2 })
  const found = await seen
  if (written._tag !== "at" || found._tag !== "at" || written.millis === null || found.millis === null) return Infinity
  // it may be seen before the writer is told
  return Math.max(0, found.millis - written.millis)
}
