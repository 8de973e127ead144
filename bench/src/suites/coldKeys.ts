/**
 * A hundred callers ask for what nobody has: how often it is loaded, and how long they wait, if a load takes 20 ms. Once in one process,
 * once with the callers spread over four caches, as four processes would have them.
 */
import { setTimeout } from "node:timers/promises"
import { middle, rotated } from "../measure.ts"
import { quoteOf } from "../quotes.ts"
import { rivals } from "../rivals/index.ts"
import type { Opened } from "../rivals/Rival.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const CALLERS = 100
const LOAD_MILLIS = 20

export const coldKeys: Suite = {
  name: "cold-keys",
  title: "A cold key with 100 callers",
  run: async (context) => [...(await among(1, context)), ...(await among(4, context))]
}

interface Callers {
  readonly name: string
  readonly caches: ReadonlyArray<Opened>
  readonly getters: ReadonlyArray<NonNullable<Opened["getOrLoad"]>>
  readonly loads: Array<number>
  readonly millis: Array<number>
}

const among = async (count: number, { effort, progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const workload = count === 1 ? "one process" : `${count} caches`
  progress(workload)
  const all: Array<Callers> = []
  for (const { name, open } of rivals) {
    const redisUrl = await servers.emptied(name)
    const caches = await Promise.all(Array.from({ length: count }, () => open({ redisUrl, l1: true })))
    const getters = caches.flatMap(({ getOrLoad }) => getOrLoad ?? [])
    if (getters.length > 0) all.push({ name, caches, getters, loads: [], millis: [] })
  }
  // the first round warms up
  for (let round = 0; round <= effort.rounds; round++) {
    for (const { getters, loads, millis, name } of rotated(all, round)) {
      try {
        const found = await oneKey(`COLD${count}.${round}`, getters)
        if (round === 0) continue
        loads.push(found.loads)
        millis.push(found.millis)
      } catch (error) {
        progress(`${name} fails: ${String(error)}`)
      }
    }
  }
  await Promise.all(all.flatMap(({ caches }) => caches.map((cache) => cache.close())))
  return all.flatMap(({ loads, millis, name }): ReadonlyArray<Measurement> => [
    { name, workload: `${workload}: loads`, unit: "loads", ...middle(loads) },
    { name, workload: `${workload}: all served`, unit: "ms", ...middle(millis) }
  ])
}

const oneKey = async (key: string, getters: Callers["getters"]) => {
  let loads = 0
  const load = async () => {
    loads++
    await setTimeout(LOAD_MILLIS)
    return quoteOf(key)
  }
  const start = performance.now()
  const callers = Array.from({ length: Math.ceil(CALLERS / getters.length) }, () => getters).flat()
  await Promise.all(callers.map((getOrLoad) => getOrLoad(key, load)))
  return { loads, millis: performance.now() - start }
}
