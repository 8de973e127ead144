import * as Rules from "../../src/internal/rules.ts"
import * as Schedule from "./Schedule.ts"
const [mode, n, seeds] = [process.argv[2], Number(process.argv[3] ?? 1000), Number(process.argv[4] ?? 1)]
for (let seed = 1; seed <= seeds; seed++) {
  if (mode === "all" || mode === "stale") {
    const start = performance.now()
    const found = Schedule.search({ schedules: n, seed, ...(mode === "stale" ? {serveStale: "50 millis"} : {}) })
    console.log(seed, ((performance.now() - start) / n).toFixed(2), "ms per schedule", found && found.tried)
    if (found) { console.log(found.report); break }
  } else {
    for (const rule of Object.keys(Rules.all) as Array<keyof Rules.Rules>) {
      const found = Schedule.search({ schedules: n, seed, rules: { ...Rules.all, [rule]: false } })
      console.log(seed, rule, found && [found.tried, found.schedule.length, found.violations.map(v => v.rule).join()])
      if (found && mode === "show") console.log(found.report)
    }
  }
}
