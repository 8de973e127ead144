/**
 * All rivals side by side: `pnpm bench [--full] [--check] [--docs] [--out folder] [suite ...]`.
 *
 * Quick unless told otherwise. `--check` ends with an error if a target of these suites is missed; `--docs` renews docs/performance.md;
 * `--out` writes JSON, Markdown and charts. Servers are its own: there has to be a `redis-server` or `valkey-server` on PATH.
 */
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import * as documentation from "./documentation.ts"
import { FULL, QUICK } from "./measure.ts"
import * as report from "./report.ts"
import * as Servers from "./Servers.ts"
import type { Suite } from "./Suite.ts"
import { coldKeys } from "./suites/coldKeys.ts"
import { invalidation } from "./suites/invalidation.ts"
import { l1Hits } from "./suites/l1Hits.ts"
import { l2Hits } from "./suites/l2Hits.ts"
import { limits } from "./suites/limits.ts"
import { load } from "./suites/load.ts"
import { locks } from "./suites/locks.ts"
import { many } from "./suites/many.ts"
import { memory } from "./suites/memory.ts"
import { sets } from "./suites/sets.ts"
import { size } from "./suites/size.ts"
import { staleReads } from "./suites/staleReads.ts"
import { tags } from "./suites/tags.ts"
import { judge } from "./Target.ts"
import { targets } from "./targets.ts"

const SUITES: ReadonlyArray<Suite> = [
  l1Hits,
  l2Hits,
  many,
  sets,
  coldKeys,
  invalidation,
  staleReads,
  tags,
  memory,
  limits,
  locks,
  load,
  size
]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
    out: { type: "string" }
  }
})
const wanted = positionals.length === 0 ? SUITES : SUITES.filter(({ name }) => positionals.includes(name))
if (wanted.length < positionals.length) throw new Error(`suites are ${SUITES.map(({ name }) => name).join(", ")}`)
if (values.docs && positionals.length > 0) throw new Error("the documentation shows all suites")

const start = performance.now()
const seconds = () => Math.round((performance.now() - start) / 1000)
const servers = Servers.make()
const suites: Array<report.SuiteResults> = []
for (const [index, { name, run, title }] of wanted.entries()) {
  console.error(`\n${index + 1} of ${wanted.length}, after ${seconds()} s: ${title} (${name})`)
  const progress = (text: string) => console.error(`  ${text}`)
  const context = { servers, effort: values.full ? FULL : QUICK, isFull: values.full, progress }
  suites.push({ name, title, measurements: await run(context) })
}

const measured = new Map(suites.map(({ measurements, name }) => [name, measurements]))
const verdicts = judge(targets, measured).filter(({ target }) => measured.has(target.suite))
const conditions = [
  `Node ${process.version}`,
  await servers.version(),
  `${cpus().length} × ${cpus()[0]?.model ?? "an unknown processor"}`,
  `${values.full ? "full" : "quick"} run of ${seconds()} s on ${new Date().toISOString().slice(0, 10)}.`
].join(", ")
await servers.close()

const results = { conditions, suites, verdicts }
console.log(report.markdown(results))
if (values.out !== undefined) await report.write(values.out, results)
if (values.docs) await documentation.renew(results)
for (const { outcome, target } of verdicts) {
  if (outcome !== "pass") console.error(`${outcome}: ${target.title}, ${target.of}`)
}
// a rival may keep the process alive
process.exit(values.check && verdicts.some(({ outcome }) => outcome !== "pass") ? 1 : 0)
