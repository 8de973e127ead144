/**
 * The workspace's packages in a folder of their own, as npm installs what is published: compiled, and without their sources' tests. What
 * they depend on is linked from the workspace.
 */
import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

export interface Installation {
  /** Packages are found from here as from a user's project. */
  readonly folder: string
  /** Of the files of some packages and of all that they need, without those that are left out and what only those need. */
  readonly bytes: (packages: ReadonlyArray<string>, without?: ReadonlyArray<string>) => Promise<number>
  readonly remove: () => Promise<void>
}

const WORKSPACE = fileURLToPath(new URL("../..", import.meta.url))
const BENCH = join(WORKSPACE, "bench")

export const make = async (): Promise<Installation> => {
  const packages = join(WORKSPACE, "packages")
  const names = await readdir(packages)
  const tsc = join(WORKSPACE, "node_modules", ".bin", "tsc")
  await promisify(execFile)(tsc, ["-b", ...names.map((name) => join(packages, name))])
  const folder = await mkdtemp(join(tmpdir(), "tiercache-bench-"))
  await Promise.all(names.map((name) => publish(join(packages, name), join(folder, "node_modules"))))
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  return {
    folder,
    bytes: async (wanted, without = []) => {
      const found = new Map<string, number>()
      for (const name of wanted) await collect(name, folder, new Set(without), found)
      return [...found.values()].reduce((sum, bytes) => sum + bytes, 0)
    },
    remove: () => rm(folder, { recursive: true })
  }
}

interface Manifest {
  readonly name: string
  readonly files?: ReadonlyArray<string>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly publishConfig?: { readonly exports?: unknown }
}

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, "package.json"), "utf8"))

/** Each package has what it depends on beside it or in a folder of its own, as the package manager has put it into the workspace. */
const publish = async (from: string, modules: string): Promise<void> => {
  const manifest = await manifestOf(from)
  const to = join(modules, manifest.name)
  await mkdir(to, { recursive: true })
  for (const name of ["src", "dist"]) {
    await cp(join(from, name), join(to, name), {
      recursive: true,
      filter: (path) => !path.endsWith(".tsbuildinfo")
    })
  }
  const published = { ...manifest, exports: manifest.publishConfig?.exports }
  await writeFile(join(to, "package.json"), JSON.stringify(published))
  for (const name of needsOf(manifest)) {
    const found = await packageFolder(name, from)
    // the packages of the workspace are beside it
    if (found === undefined || !found.includes("node_modules")) continue
    const link = join(to, "node_modules", name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(found, link)
  }
}

/** What npm installs with a package. */
const needsOf = (manifest: Manifest): ReadonlyArray<string> => [
  ...Object.keys(manifest.dependencies ?? {}),
  ...Object.keys(manifest.optionalDependencies ?? {}),
  ...Object.keys(manifest.peerDependencies ?? {}).filter((peer) => !manifest.peerDependenciesMeta?.[peer]?.optional)
]

/** As Node looks for it; `undefined` if it is for another platform. */
const packageFolder = async (name: string, from: string): Promise<string | undefined> => {
  const folder = join(from, "node_modules", name)
  const isThere = await stat(folder).then(
    () => true,
    () => false
  )
  if (isThere) return realpath(folder)
  return dirname(from) === from ? undefined : packageFolder(name, dirname(from))
}

const collect = async (name: string, from: string, without: ReadonlySet<string>, found: Map<string, number>) => {
  if (without.has(name)) return
  // what is not ours is where the bench has it
  const folder = (await packageFolder(name, from)) ?? (await packageFolder(name, BENCH))
  if (folder === undefined || found.has(folder)) return
  found.set(folder, await bytesOf(folder))
  for (const need of needsOf(await manifestOf(folder))) await collect(need, folder, without, found)
}

const bytesOf = async (folder: string): Promise<number> => {
  let sum = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && entry.name !== "node_modules") sum += await bytesOf(path)
    else if (entry.isFile()) sum += (await stat(path)).size
  }
  return sum
}
