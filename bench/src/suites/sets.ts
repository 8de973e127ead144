/**
 * What a write through both tiers costs, told to the other processes; beside the same two steps with a bare client, which are what
 * a cache over pub/sub cannot do without.
 */
import { fewestCommands } from "../commandsOf.ts"
import { inBatches } from "../inBatches.ts"
import { compare, type Task } from "../measure.ts"
import { quoteOf } from "../quotes.ts"
import * as bare from "../rivals/bareWrites.ts"
import { tiered } from "../rivals/index.ts"
import type { Opened } from "../rivals/Rival.ts"
import type { Measurement, Suite } from "../Suite.ts"

const IN_FLIGHT = 100
const ONE_BY_ONE = 20
const symbols = Array.from({ length: IN_FLIGHT }, (_, index) => `SYM${index}`)

export const sets: Suite = {
  name: "sets",
  title: "A write through both tiers",
  run: async ({ effort, progress, servers }) => {
    const opened: Array<{ readonly name: string; readonly cache: Pick<Opened, "set" | "close"> }> = []
    const measurements: Array<Measurement> = []
    for (const { name, open } of [...bare.writers, ...tiered]) {
      const redisUrl = await servers.emptied(name)
      const cache = await open({ redisUrl, l1: true })
      await inBatches(symbols, (symbol) => cache.set(symbol, quoteOf(symbol)))
      opened.push({ name, cache })
      const value = await fewestCommands(redisUrl, () => cache.set("SYM0", quoteOf("SYM0")))
      measurements.push({ name, workload: "one write: commands", value, unit: "commands" })
    }
    const sequential = opened.map(({ cache, name }): Task => ({
      name,
      operations: ONE_BY_ONE,
      run: async () => {
        for (const symbol of symbols.slice(0, ONE_BY_ONE)) await cache.set(symbol, quoteOf(symbol))
      }
    }))
    const inFlight = opened.map(({ cache, name }): Task => ({
      name,
      operations: IN_FLIGHT,
      run: () => Promise.all(symbols.map((symbol) => cache.set(symbol, quoteOf(symbol))))
    }))
    for (const [workload, tasks] of [
      ["one after the other", sequential],
      ["100 in flight", inFlight]
    ] as const) {
      progress(`compares ${tasks.length} ways to write, ${workload}`)
      for (const { name, spread, value } of await compare(tasks, effort, "µs")) {
        measurements.push({ name, workload, value, unit: "µs", spread })
      }
    }
    await Promise.all(opened.map(({ cache }) => cache.close()))
    return measurements
  }
}
