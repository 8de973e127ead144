/**
 * Reads by popularity, and writes: each lane of each process writes keys that are its own, so that what was written last is known.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setImmediate, setTimeout } from "node:timers/promises"
import { inBatches } from "../inBatches.ts"
import type { Opened, Value } from "../rivals/Rival.ts"
import { randomFrom, zipf } from "../zipf.ts"
import { now, versioned } from "./versions.ts"
import type { LoadReport, Order } from "./Worker.ts"

/** One read in so many is looked at for staleness and time. */
const SAMPLED = 16
const LANES = 8

const nameOf = (index: number) => `LOAD${index}`

/** Reads everything once, as processes have that run for a while. */
export const fill = (cache: Opened, keys: number): Promise<void> => {
  const read = readThrough(cache, async (key) => versioned(key, now()))
  return inBatches(
    Array.from({ length: keys }, (_, index) => nameOf(index)),
    read
  )
}

/** Hits resolve without the event loop; a server has other work too. */
const TURN = 256

export const load = async (cache: Opened, order: Extract<Order, { _tag: "load" }>): Promise<LoadReport> => {
  const random = randomFrom(order.seed)
  const ranks = Array.from({ length: order.keys }, (_, index) => index)
  const names = ranks.map(nameOf)
  const picks = zipf(ranks, 100_000, order.seed)
  const report = { operations: 0, reads: 0, loads: 0, micros: Array<number>() }
  const found: Array<LoadReport["found"][number]> = []
  const writes: Array<LoadReport["writes"][number]> = []
  const fromSource = async (key: string) => {
    report.loads++
    await setTimeout(2)
    return versioned(key, now())
  }
  const read = readThrough(cache, fromSource)

  const lane = async (index: number, end: number) => {
    const owner = order.process * LANES + index
    for (let step = index * 997; now() < end; step++) {
      const picked = picks[step % picks.length] ?? 0
      const start = now()
      if (random() < order.writes) {
        const own = picked - (picked % (order.processes * LANES)) + owner
        if (own >= order.keys) continue
        await cache.set(names[own] ?? "", versioned(names[own] ?? "", start))
        writes.push([own, now(), start])
      } else {
        report.reads++
        const value = await read(names[picked] ?? "")
        if (step % SAMPLED === 0 && value !== undefined) found.push([picked, start, value.last])
      }
      if (report.operations++ % SAMPLED === 0) report.micros.push((now() - start) * 1000)
      if (step % TURN === 0) await setImmediate()
    }
  }

  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const before = process.cpuUsage()
  const end = now() + order.seconds * 1000
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index, end)))
  const { system, user } = process.cpuUsage(before)
  delay.disable()
  return { ...report, found, writes, cpuMicros: system + user, loopDelayMillis: delay.percentile(99) / 1e6 }
}

/** What a cache that cannot load is used like. */
const readThrough = (
  { get, getOrLoad, set }: Opened,
  load: (key: string) => Promise<Value>
): ((key: string) => Promise<Value | undefined>) => {
  if (getOrLoad !== undefined) return (key) => getOrLoad(key, load)
  return async (key) => {
    const found = await get(key)
    if (found !== undefined) return found
    const loaded = await load(key)
    await set(key, loaded)
    return loaded
  }
}
