import * as Rules from "../../src/internal/rules.ts"
import * as Schedule from "./Schedule.ts"
const [mode, n, seeds] = [process.argv[2], Number(process.argv[3] ?? 1000), Number(process.argv[4] ?? 1)]
const from = Number(process.argv[5] ?? 1)
if (mode === "all" || mode === "stale")
for (let seed = from; seed < from + seeds; seed++) {
    const start = performance.now()
    const found = Schedule.search({ schedules: n, seed, ...(mode === "stale" ? {serveStale: "50 millis"} : {}) })
    console.log(seed, ((performance.now() - start) / n).toFixed(2), "ms per schedule", found && found.tried)
    if (found) { console.log(found.report); break }
  } else {
    for (const rule of Object.keys(Rules.all) as Array<keyof Rules.Rules>) {
      const tried = []
      if (mode !== "mutants" && mode !== "show" && mode !== rule) continue
      const start = process.cpuUsage()
      let total = 0, hits = 0
for (let seed = from; seed < from + seeds; seed++) {
      const found = Schedule.search({ schedules: n, seed, rules: { ...Rules.all, [rule]: false } })
      total += found?.tried ?? n; hits += found ? 1 : 0
      tried.push(found ? `${found.tried}(${[...new Set(found.violations.map(v => v.rule))].join()} in ${found.schedule.length})` : "none")
      if (found && mode === rule) console.log(found.report)
    }
      const used = process.cpuUsage(start)
      console.log(rule, "mean", Math.round(total / hits), "cpu s/hit", ((used.user + used.system) / 1e6 / hits).toFixed(1), tried.join("; "))
  }
}
