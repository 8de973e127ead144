/**
 * What was measured, for people (Markdown, charts) and for programs (JSON).
 */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { chart } from "./chart.ts"
import { format } from "./format.ts"
import type { Measurement } from "./Suite.ts"
import type { Verdict } from "./Target.ts"

export interface Results {
  /** On what, when, and how thoroughly. */
  readonly conditions: string
  readonly suites: ReadonlyArray<SuiteResults>
  readonly verdicts: ReadonlyArray<Verdict>
}

export interface SuiteResults {
  readonly name: string
  readonly title: string
  readonly measurements: ReadonlyArray<Measurement>
}

export const markdown = (results: Results): string =>
  [
    "# Measurements",
    "",
    `${results.conditions} All in one run, taken in turns; medians, and the lowest and highest of the rounds.`,
    ...(results.verdicts.length === 0 ? [] : ["", targetTable(results)]),
    ...results.suites.flatMap(({ measurements, title }) => [
      "",
      `## ${title}`,
      ...byWorkload(measurements).flatMap(([workload, rows]) => ["", workloadTable(workload, rows)])
    ]),
    ""
  ].join("\n")

export const targetTable = ({ verdicts }: Results): string =>
  [
    "| target | what is divided by what | wanted | measured | |",
    "| --- | --- | --- | --- | --- |",
    ...verdicts.map(({ outcome, ratio, target: { atLeast, atMost, by, of, title } }) => {
      const wanted = atMost === undefined ? `≥ ${format(atLeast ?? NaN)}` : `≤ ${format(atMost)}`
      const what = by === undefined ? of : `${of} / ${by}`
      return `| ${title} | ${what} | ${wanted} | ${format(ratio ?? NaN)} | ${outcome} |`
    })
  ].join("\n")

export const byWorkload = (measurements: ReadonlyArray<Measurement>) => [
  ...Map.groupBy(measurements, ({ workload }) => workload)
]

const workloadTable = (workload: string, rows: ReadonlyArray<Measurement>): string => {
  const ours = rows.find(({ name }) => name.startsWith("tiercache"))?.value ?? NaN
  return [
    `| ${workload} | ${rows[0]?.unit ?? ""} | lowest – highest | × ours |`,
    "| --- | --: | --: | --: |",
    ...rows.map(({ name, spread, value }) => {
      const range = spread === undefined ? "" : `${format(spread[0])} – ${format(spread[1])}`
      const ratio = ours === 0 || !Number.isFinite(value) ? NaN : value / ours
      return `| ${name} | ${format(value)} | ${range} | ${format(ratio)} |`
    })
  ].join("\n")
}

/** Of what a program reads, a number that JSON has not is a text. */
export const json = ({ conditions, suites, verdicts }: Results): string => {
  const targets = verdicts.map(({ outcome, ratio, target }) => ({ ...target, measured: ratio, outcome }))
  const plain = (_key: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value
  return `${JSON.stringify({ conditions, targets, suites }, plain, 2)}\n`
}

export const chartFile = (suite: string, workload: string): string =>
  `${suite}-${workload.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.svg`

/** Writes `results.json`, `results.md` and charts, of all workloads unless told otherwise, into a folder. */
export const write = async (
  folder: string,
  results: Results,
  isCharted: (file: string) => boolean = () => true
): Promise<void> => {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, "results.json"), json(results))
  await writeFile(join(folder, "results.md"), markdown(results))
  for (const { measurements, name, title } of results.suites) {
    for (const [workload, rows] of byWorkload(measurements)) {
      const file = chartFile(name, workload)
      if (isCharted(file)) await writeFile(join(folder, file), chart(`${title}: ${workload}`, rows))
    }
  }
}
