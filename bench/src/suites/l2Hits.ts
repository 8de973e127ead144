/**
 * What a read of Redis costs, without an L1: one after the other, and a hundred in flight.
 */
import { inBatches } from "../inBatches.ts"
import { compare, type Task } from "../measure.ts"
import { quoteOf } from "../quotes.ts"
import { onRedis } from "../rivals/index.ts"
import type { Opened } from "../rivals/Rival.ts"
import type { Measurement, Suite } from "../Suite.ts"

const IN_FLIGHT = 100
const ONE_BY_ONE = 20

const symbols = Array.from({ length: IN_FLIGHT }, (_, index) => `SYM${index}`)
const few = symbols.slice(0, ONE_BY_ONE)

export const l2Hits: Suite = {
  name: "l2-hits",
  title: "A hit in Redis, without L1",
  run: async ({ effort, progress, servers }) => {
    const opened: Array<{ readonly name: string; readonly cache: Opened }> = []
    for (const { name, open } of onRedis) {
      const cache = await open({ redisUrl: await servers.emptied(name), l1: false })
      await inBatches(symbols, (symbol) => cache.set(symbol, quoteOf(symbol)))
      opened.push({ name, cache })
    }
    const sequential = opened.map(({ cache, name }): Task => ({
      name,
      operations: ONE_BY_ONE,
      run: async () => {
        for (const symbol of few) await cache.get(symbol)
      }
    }))
    const inFlight = opened.map(({ cache, name }): Task => ({
      name,
      operations: IN_FLIGHT,
      run: () => Promise.all(symbols.map((symbol) => cache.get(symbol)))
    }))
    const measurements: Array<Measurement> = []
    for (const [workload, tasks] of [
      ["one after the other", sequential],
      ["100 in flight", inFlight]
    ] as const) {
      progress(`compares ${tasks.length} clients, ${workload}`)
      for (const { name, spread, value } of await compare(tasks, effort, "µs")) {
        measurements.push({ name, workload, value, unit: "µs", spread })
      }
    }
    await Promise.all(opened.map(({ cache }) => cache.close()))
    return measurements
  }
}
