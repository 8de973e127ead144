/**
 * A hundred keys in one call: all of them in Redis, and sixty of them in L1. How long it takes, and how many commands Redis gets.
 */
import { fewestCommands } from "../commandsOf.ts"
import { inBatches } from "../inBatches.ts"
import { compare, middle, rotated } from "../measure.ts"
import { percentile } from "../percentile.ts"
import { quoteOf } from "../quotes.ts"
import { onRedis, tiered } from "../rivals/index.ts"
import type { Opened, Rival } from "../rivals/Rival.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const MANY = 100
const IN_L1 = 60
/** Calls of a round, each with forty keys that L1 has not seen yet. */
const CALLS = 20

const hot = Array.from({ length: MANY }, (_, index) => `SYM${index}`)
const coldOf = (call: number) => Array.from({ length: MANY - IN_L1 }, (_, index) => `COLD${call}.${index}`)

export const many: Suite = {
  name: "many",
  title: "getMany of 100",
  run: async (context) => [...(await allInRedis(context)), ...(await sixtyInL1(context))]
}

const allInRedis = async ({ effort, progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const workload = "all in Redis"
  const opened: Array<{ readonly name: string; readonly cache: Opened; readonly read: () => Promise<unknown> }> = []
  const measurements: Array<Measurement> = []
  for (const { name, open } of onRedis) {
    const redisUrl = await servers.emptied(name)
    const cache = await open({ redisUrl, l1: false })
    const { getMany, set } = cache
    if (getMany === undefined) {
      await cache.close()
      continue
    }
    await inBatches(hot, (symbol) => set(symbol, quoteOf(symbol)))
    const read = () => getMany(hot)
    opened.push({ name, cache, read })
    const value = await fewestCommands(redisUrl, read)
    measurements.push({ name, workload: `${workload}: commands`, value, unit: "commands" })
  }
  progress(`compares ${opened.length} clients, ${workload}`)
  const tasks = opened.map(({ name, read }) => ({ name, operations: 1, run: read }))
  for (const { name, spread, value } of await compare(tasks, effort, "µs")) {
    measurements.push({ name, workload, value, unit: "µs", spread })
  }
  await Promise.all(opened.map(({ cache }) => cache.close()))
  return measurements
}

const sixtyInL1 = async ({ effort, progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const workload = `${IN_L1} in L1, ${MANY - IN_L1} in Redis`
  progress(`compares ${workload}`)
  const readers: Array<Reader> = []
  // one round more warms up
  const calls = CALLS * (effort.rounds + 1) + TRIES
  for (const rival of tiered) readers.push(...(await readerOf(rival, await servers.emptied(rival.name), calls)))

  for (let round = 0; round <= effort.rounds; round++) {
    for (const reader of rotated(readers, round)) {
      const times: Array<number> = []
      for (let call = 0; call < CALLS; call++) {
        const keys = reader.next()
        const start = performance.now()
        await reader.getMany(keys)
        times.push((performance.now() - start) * 1000)
      }
      if (round > 0) reader.micros.push(percentile(times, 0.5))
    }
  }
  const measurements: Array<Measurement> = []
  for (const { close, getMany, micros, name, next, redisUrl } of readers) {
    measurements.push({ name, workload, unit: "µs", ...middle(micros) })
    const value = await fewestCommands(redisUrl, () => getMany(next()), TRIES)
    measurements.push({ name, workload: `${workload}: commands`, value, unit: "commands" })
    await close()
  }
  return measurements
}

const TRIES = 3

interface Reader {
  readonly name: string
  readonly redisUrl: string
  readonly getMany: (keys: ReadonlyArray<string>) => Promise<unknown>
  /** Sixty keys that L1 holds, and forty that it does not. */
  readonly next: () => ReadonlyArray<string>
  readonly micros: Array<number>
  readonly close: () => Promise<unknown>
}

/** Somebody else has written all that it reads. */
const readerOf = async ({ name, open }: Rival, redisUrl: string, calls: number): Promise<ReadonlyArray<Reader>> => {
  const writer = await open({ redisUrl, l1: true })
  const keys = [...hot, ...Array.from({ length: calls }, (_, call) => coldOf(call)).flat()]
  if (writer.getMany !== undefined) await inBatches(keys, (key) => writer.set(key, quoteOf(key)))
  await writer.close()
  const { close, get, getMany } = await open({ redisUrl, l1: true })
  if (getMany === undefined) {
    await close()
    return []
  }
  const held = hot.slice(0, IN_L1)
  await inBatches(held, get)
  let call = 0
  return [{ name, redisUrl, getMany, next: () => [...held, ...coldOf(call++)], micros: [], close }]
}
