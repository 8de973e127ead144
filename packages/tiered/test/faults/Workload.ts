/**
 * Reads and writes at random, from a seed.
 */
import { Effect } from "effect"
import type * as Orders from "./Orders.ts"
import type { Recorder } from "./Recorder.ts"

/** A repeatable source of numbers in [0, 1): mulberry32, by Tommy Ettinger. */
export const makeRandom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Load = typeof Orders.Load.Type

const READS_PER_TICK = 5

/** Of all read operations. */
const GET_MANY_SHARE = 0.15
const FRESH_SHARE = 0.05

/** Of all write operations. */
const SET_MANY_SHARE = 0.15

/** Reads that wait for an answer. More would only be a longer queue of time-outs. */
const MAX_WAITING = 200

/** Never ends; when it is interrupted, what is in flight settles first. */
export const run = (recorder: Recorder, load: Load): Effect.Effect<never> =>
  Effect.raceFirst(readAlways(recorder, load), writeAlways(recorder, load))

const readAlways = (recorder: Recorder, { readEveryMillis, reads, seed }: Load): Effect.Effect<never> => {
  const random = makeRandom(seed)
  const anyKey = () => reads[Math.floor(random() * reads.length)] ?? ""
  let waiting = 0
  const read = Effect.suspend(() => {
    waiting++
    const kind = random()
    if (kind < GET_MANY_SHARE) return recorder.run({ _tag: "GetMany", keys: [anyKey(), anyKey(), anyKey()] })
    return recorder.get(anyKey(), { fresh: kind < GET_MANY_SHARE + FRESH_SHARE })
  })
  const counted = Effect.ensuring(
    read,
    Effect.sync(() => waiting--)
  )
  const tick = Effect.suspend(() => {
    if (reads.length === 0 || waiting >= MAX_WAITING) return Effect.void
    return Effect.repeat(Effect.forkDetach(counted, { startImmediately: true }), { times: READS_PER_TICK - 1 })
  })
  return Effect.forever(Effect.andThen(tick, Effect.sleep(readEveryMillis)))
}

const writeAlways = (recorder: Recorder, { deleteShare, pushShare, seed, writeEveryMillis, writes }: Load) => {
  const random = makeRandom(seed + 1)
  const anyIndex = () => Math.floor(random() * writes.length)
  const write = Effect.suspend(() => {
    const index = anyIndex()
    const key = writes[index]
    if (key === undefined) return Effect.void
    if (random() < deleteShare) return recorder.run({ _tag: "Delete", key })
    if (random() < SET_MANY_SHARE) return recorder.run({ _tag: "SetMany", keys: writes.slice(index, index + 4) })
    return recorder.run({ _tag: "Set", key, push: random() < pushShare })
  })
  return Effect.forever(Effect.andThen(Effect.uninterruptible(write), Effect.sleep(writeEveryMillis)))
}
