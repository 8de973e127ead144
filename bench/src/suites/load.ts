/**
 * Four processes that read and write the same keys for a while, 95 to 5, as popular things are read (Zipf's law): how much they get done,
 * what it costs them and Redis, and how many reads returned what had been replaced for more than a second.
 */
import { commandsOf } from "../commandsOf.ts"
import { middle, rotated } from "../measure.ts"
import { percentile } from "../percentile.ts"
import * as RedisCounters from "../RedisCounters.ts"
import { rivals } from "../rivals/index.ts"
import type { Context, Measurement, Suite, Unit } from "../Suite.ts"
import * as Worker from "../workers/Worker.ts"

const PROCESSES = 4
const KEYS = 2000
const WRITES = 0.05
const BOUND_MILLIS = 1000
/** A process runs slowly until it is compiled, which takes seconds for some; others shall not wait for it all day. */
const WARM_UP_SECONDS = 1
/** Enough for commands of an operation, which do not depend on the machine. */
const WATCHED_SECONDS = 0.3

/** All that processes can share, raw Redis among them. */
const shared = rivals.filter(({ tiers }) => tiers === "both" || tiers === "L2")

export const load: Suite = {
  name: "load",
  title: "Four processes, 95 % reads",
  run: async (context) => {
    const { isFull, progress } = context
    const [rounds, seconds] = isFull ? [4, 5] : [1, 1.5]
    const rows = new Map<string, { readonly name: string; readonly row: Row; readonly values: Array<number> }>()
    for (let round = 0; round < rounds; round++) {
      for (const { name } of rotated(shared, round)) {
        progress(`${name}: ${seconds} s`)
        const found = await oneRun(name, seconds, context).catch((error: unknown) => {
          progress(`${name} fails: ${String(error)}`)
          return []
        })
        for (const row of found) {
          const id = `${row.workload} ${name}`
          rows.set(id, { name, row, values: [...(rows.get(id)?.values ?? []), row.value] })
        }
      }
    }
    return [...rows.values()]
      .toSorted((a, b) => orderOf(a.name) - orderOf(b.name))
      .map(({ name, row: { isTotal, unit, workload }, values }): Measurement => {
        const { spread, value } = middle(values)
        return {
          name,
          workload,
          unit,
          spread,
          value: isTotal === true ? values.reduce((sum, one) => sum + one) : value
        }
      })
  }
}

const orderOf = (name: string) => shared.findIndex((rival) => rival.name === name)

interface Row {
  readonly workload: string
  readonly value: number
  readonly unit: Unit
  /** What all rounds have together, not the one in the middle. */
  readonly isTotal?: true
}

const oneRun = async (name: string, seconds: number, { servers }: Context): Promise<ReadonlyArray<Row>> => {
  const redisUrl = await servers.emptied(name)
  const counters = await RedisCounters.connect(redisUrl)
  const workers = await Promise.all(Array.from({ length: PROCESSES }, () => Worker.start(name, redisUrl)))
  const run = async (seconds: number) => {
    const answers = await Promise.all(
      workers.map(({ ask }, process) =>
        ask({ _tag: "load", seed: process + 1, seconds, keys: KEYS, writes: WRITES, process, processes: PROCESSES })
      )
    )
    return answers.flatMap((answer) => (answer._tag === "loaded" ? [answer.report] : []))
  }
  try {
    await Promise.all(workers.map(({ ask }) => ask({ _tag: "fill", keys: KEYS })))
    const warmUp = await run(WARM_UP_SECONDS)
    await counters.since()
    const reports = await run(seconds)
    const { bytes, executed } = await counters.since()
    // apart from the rest, since to watch it takes time
    const watched: Array<Worker.LoadReport> = []
    const commands = await commandsOf(redisUrl, async () => watched.push(...(await run(WATCHED_SECONDS))))
    const stale = staleReads([...warmUp, ...reports, ...watched])
    const { operations, rows } = rowsOf(reports, seconds)
    return [
      ...rows,
      { workload: "commands for an operation", value: commands.length / operationsOf(watched), unit: "commands" },
      {
        workload: "commands that Redis executes for it, in scripts too",
        value: executed / operations,
        unit: "commands"
      },
      { workload: "traffic of Redis for an operation", value: bytes / operations, unit: "bytes" },
      { workload: "reads older than a second", value: stale, unit: "stale reads", isTotal: true }
    ]
  } finally {
    counters.close()
    await Promise.all(workers.map((worker) => worker.close()))
  }
}

const sumOf = (reports: ReadonlyArray<Worker.LoadReport>, of: (report: Worker.LoadReport) => number) =>
  reports.reduce((sum, report) => sum + of(report), 0)

const operationsOf = (reports: ReadonlyArray<Worker.LoadReport>) => sumOf(reports, (report) => report.operations)

const rowsOf = (reports: ReadonlyArray<Worker.LoadReport>, seconds: number) => {
  const operations = operationsOf(reports)
  const micros = reports.flatMap((report) => report.micros)
  const cpuMicros = sumOf(reports, (report) => report.cpuMicros)
  const loads = sumOf(reports, (report) => report.loads)
  const reads = sumOf(reports, (report) => report.reads)
  const rows: ReadonlyArray<Row> = [
    { workload: "operations", value: operations / seconds, unit: "per second" },
    { workload: "99 of 100 take at most", value: percentile(micros, 0.99), unit: "µs" },
    { workload: "CPU of an operation", value: cpuMicros / operations, unit: "µs" },
    { workload: "event loop busy for", value: Math.max(...reports.map((one) => one.loopDelayMillis)), unit: "ms" },
    { workload: "reads without a load", value: 100 * (1 - loads / reads), unit: "%" }
  ]
  return { operations, rows }
}

/** Reads that began later than the bound after a newer value than theirs was acknowledged, of those that were looked at. */
const staleReads = (reports: ReadonlyArray<Worker.LoadReport>): number => {
  const writes = Map.groupBy(
    reports.flatMap((report) => report.writes),
    ([key]) => key
  )
  return reports
    .flatMap((report) => report.found)
    .filter(([key, start, writtenAt]) =>
      (writes.get(key) ?? []).some(([, acknowledged, from]) => from > writtenAt && acknowledged + BOUND_MILLIS < start)
    ).length
}
