/**
 * What it takes to have the package: time to import it in a fresh process, and what npm puts on the disk.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Installation from "../Installation.ts"
import { middle, rotated } from "../measure.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

interface Choice {
  readonly name: string
  /** What somebody imports. */
  readonly modules: ReadonlyArray<string>
  /** What somebody installs, with all that they depend on. */
  readonly packages: ReadonlyArray<string>
  /** What of it they have anyway. */
  readonly without?: ReadonlyArray<string>
}

const choices: ReadonlyArray<Choice> = [
  { name: "tiercache", modules: ["tiercache"], packages: ["tiercache", "effect"] },
  { name: "tiercache, without effect itself", modules: [], packages: ["tiercache"], without: ["effect"] },
  { name: "effect", modules: ["effect", "effect/persistence"], packages: ["effect"] },
  { name: "layered-loader, ioredis", modules: ["layered-loader", "ioredis"], packages: ["layered-loader", "ioredis"] },
  {
    name: "bentocache, ioredis",
    modules: ["bentocache", "bentocache/drivers/memory", "bentocache/drivers/redis"],
    packages: ["bentocache", "ioredis"]
  },
  {
    name: "cacheable, @keyv/redis, @qified/redis",
    modules: ["cacheable", "@keyv/redis", "@qified/redis"],
    packages: ["cacheable", "@keyv/redis", "@qified/redis"]
  },
  {
    name: "cache-manager, @keyv/redis",
    modules: ["cache-manager", "@keyv/redis"],
    packages: ["cache-manager", "@keyv/redis", "cacheable", "keyv"]
  },
  { name: "async-cache-dedupe", modules: ["async-cache-dedupe"], packages: ["async-cache-dedupe", "ioredis"] },
  { name: "cachified, lru-cache", modules: ["@epic-web/cachified"], packages: ["@epic-web/cachified", "lru-cache"] },
  { name: "redis", modules: ["redis"], packages: ["redis"] },
  { name: "ioredis", modules: ["ioredis"], packages: ["ioredis"] }
]

export const size: Suite = {
  name: "size",
  title: "Having it",
  run: async (context) => {
    context.progress("compiles the packages")
    const installation = await Installation.make()
    try {
      return [...(await imports(installation, context)), ...(await installed(installation))]
    } finally {
      await installation.remove()
    }
  }
}

const imports = async (
  { folder }: Installation.Installation,
  { effort, progress }: Context
): Promise<ReadonlyArray<Measurement>> => {
  const results = choices
    .filter(({ modules }) => modules.length > 0)
    .map(({ modules, name }) => ({ name, modules, millis: Array<number>() }))
  progress(`imports ${results.length}`)
  for (let round = 0; round < Math.min(effort.rounds, 10); round++) {
    for (const { millis, modules } of rotated(results, round)) {
      // the bench has those of the others
      millis.push(await importMillis(modules, modules.includes("tiercache") ? folder : BENCH))
    }
  }
  return results.map(({ millis, name }) => ({ name, workload: "imported", unit: "ms", ...middle(millis) }))
}

const BENCH = fileURLToPath(new URL("../..", import.meta.url))

/** Of CPU, since other work on the machine makes the time longer. */
const importMillis = async (modules: ReadonlyArray<string>, cwd: string): Promise<number> => {
  const code = `
    const before = process.cpuUsage()
    await Promise.all(${JSON.stringify(modules)}.map((name) => import(name)))
    const { system, user } = process.cpuUsage(before)
    console.log((system + user) / 1000)
    process.exit(0)`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { cwd })
  return Number(stdout)
}

const installed = async ({ bytes }: Installation.Installation): Promise<ReadonlyArray<Measurement>> => {
  const measurements: Array<Measurement> = []
  for (const { name, packages, without } of choices) {
    const value = (await bytes(packages, without)) / 1000
    measurements.push({ name, workload: "installed, with all that it needs", value, unit: "kB" })
  }
  return measurements
}
