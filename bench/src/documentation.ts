/**
 * Renews what docs/performance.md has of a run: the table of targets between its markers, and the charts that it shows.
 */
import { execFile } from "node:child_process"
import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as report from "./report.ts"

const WORKSPACE = fileURLToPath(new URL("../..", import.meta.url))
const PAGE = join(WORKSPACE, "docs", "performance.md")
const CHARTS = join(WORKSPACE, "docs", "charts")

const generated = /(<!-- bench -->\n)[^]*?(\n<!-- \/bench -->)/

export const renew = async (results: report.Results): Promise<void> => {
  const page = await readFile(PAGE, "utf8")
  const text = `\n${results.conditions}\n\n${report.targetTable(results)}\n`
  await writeFile(
    PAGE,
    page.replace(generated, (_, start: string, end: string) => `${start}${text}${end}`)
  )
  await rm(CHARTS, { recursive: true, force: true })
  await report.write(CHARTS, results, (file) => page.includes(`charts/${file}`))
  await promisify(execFile)(join(WORKSPACE, "node_modules", ".bin", "oxfmt"), [PAGE, CHARTS])
}
