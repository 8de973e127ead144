/**
 * Reads that refill L1 while the same keys are written, by the process that reads and by another one.
 */
import { Effect } from "effect"
import type * as Orders from "./Orders.ts"
import * as SharedClock from "./SharedClock.ts"
import type * as Stage from "./Stage.ts"

type Steps = (typeof Orders.Script.Type)["steps"]

/** Time for an order to reach all workers before its first step is due. */
export const LEAD_MILLIS = 100

export interface Options {
  /** What it is answered has to be slower than the writes. */
  readonly reader: Stage.Worker
  readonly writer: Stage.Worker
  /** That nobody has written yet. One half is read alone, the other together. */
  readonly keys: ReadonlyArray<string>
  readonly random: () => number
}

/** How many refills the reader has refused so far. */
export const run = Effect.fnUntraced(function* ({ keys, random, reader, writer }: Options) {
  yield* script(writer, [{ at: 0, operation: { _tag: "SetMany", keys } }])
  const start = SharedClock.now() + LEAD_MILLIS
  const half = keys.length / 2
  const gets: Steps = keys.slice(0, half).map((key) => ({ at: start, operation: { _tag: "Get", key } }))
  const getManys: Steps = chunks(keys.slice(half), 10).map((some) => ({
    at: start,
    operation: { _tag: "GetMany", keys: some }
  }))
  // every other one deletes, every other pair is the reader's own
  const writes: Steps = keys.map((key, index) => ({
    at: start + 5 + random() * 40,
    operation: index % 2 === 0 ? { _tag: "Set", key, push: index % 8 === 0 } : { _tag: "Delete", key }
  }))
  const isOwn = (index: number) => index % 4 < 2
  yield* Effect.all(
    [
      script(reader, [...gets, ...getManys, ...writes.filter((_, index) => isOwn(index))]),
      script(
        writer,
        writes.filter((_, index) => !isOwn(index))
      )
    ],
    { concurrency: 2 }
  )
  return (yield* reader.stats).refusedFills
})

const script = (member: Stage.Worker, steps: Steps) => member.order({ _tag: "Script", steps })

const chunks = (keys: ReadonlyArray<string>, size: number) =>
  Array.from({ length: Math.ceil(keys.length / size) }, (_, index) => keys.slice(index * size, (index + 1) * size))
