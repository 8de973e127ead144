/**
 * Locks over Redis: one that nobody else wants, and one that 64 want at a time.
 */
import { setTimeout } from "node:timers/promises"
import { commandsOf } from "../commandsOf.ts"
import { compare, middle, rotated } from "../measure.ts"
import type { Locker } from "../rivals/locks/Locker.ts"
import { redisSemaphore } from "../rivals/locks/redisSemaphore.ts"
import { redlock } from "../rivals/locks/redlock.ts"
import { tiercache } from "../rivals/locks/tiercache.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const lockers: ReadonlyArray<Locker> = [tiercache, redlock, redisSemaphore]

const WAITERS = 64
/** How often each of them wants it, in a round. */
const TURNS = 3
const HELD_MILLIS = 1
const CALLS = 20

type Opened = Awaited<ReturnType<Locker["open"]>> & { readonly name: string; readonly redisUrl: string }

export const locks: Suite = {
  name: "locks",
  title: "Locks",
  run: async (context) => {
    const opened: Array<Opened> = []
    for (const { name, open } of lockers) {
      const redisUrl = await context.servers.emptied(`${name} (locks)`)
      opened.push({ name, redisUrl, ...(await open(redisUrl)) })
    }
    const measurements = [...(await alone(opened, context)), ...(await contended(opened, context))]
    await Promise.all(opened.map(({ close }) => close()))
    return measurements
  }
}

const alone = async (opened: ReadonlyArray<Opened>, { effort, progress }: Context) => {
  progress("compares locks that nobody else wants")
  const tasks = opened.map(({ name, withLock }) => ({
    name,
    operations: CALLS,
    run: async () => {
      for (let call = 0; call < CALLS; call++) await withLock("alone", async () => {})
    }
  }))
  const workload = "nobody else wants it"
  return (await compare(tasks, effort, "per second")).map(({ name, spread, value }): Measurement => ({
    name,
    workload,
    value,
    unit: "per second",
    spread
  }))
}

const contended = async (opened: ReadonlyArray<Opened>, { effort, progress }: Context) => {
  progress(`compares locks that ${WAITERS} want`)
  const results = opened.map(({ name }) => ({ name, rates: Array<number>(), longest: Array<number>() }))
  const rounds = Math.min(effort.rounds, 10)
  const measurements: Array<Measurement> = []
  for (let round = 0; round < rounds; round++) {
    for (const one of rotated(opened, round)) {
      const result = results.find(({ name }) => name === one.name)
      const { seconds, waits } = await crowd(one)
      result?.rates.push(waits.length / seconds)
      result?.longest.push(Math.max(...waits))
    }
  }
  const workload = `${WAITERS} want it`
  for (const { longest, name, rates } of results) {
    measurements.push({ name, workload: `${workload}: acquisitions`, unit: "per second", ...middle(rates) })
    measurements.push({ name, workload: `${workload}: longest wait`, unit: "ms", ...middle(longest) })
  }
  for (const one of opened) {
    const commands = await commandsOf(one.redisUrl, () => crowd(one))
    const value = commands.length / (WAITERS * TURNS)
    measurements.push({ name: one.name, workload: `${workload}: commands for each`, value, unit: "commands" })
  }
  return measurements
}

const crowd = async ({ withLock }: Opened) => {
  const waits: Array<number> = []
  const waiter = async () => {
    for (let turn = 0; turn < TURNS; turn++) {
      const start = performance.now()
      await withLock("wanted", async () => {
        waits.push(performance.now() - start)
        await setTimeout(HELD_MILLIS)
      })
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: WAITERS }, waiter))
  return { waits, seconds: (performance.now() - start) / 1000 }
}
