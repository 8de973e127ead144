/**
 * Proves that what gets published works: packs every public package, lets publint and attw judge the tarballs, and
 * installs these with npm in an empty folder, where a program and its types have to work.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): void => {
  console.log(`\n$ ${[command, ...args].join(" ")}`)
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" })
  if (status !== 0) throw new Error(`${command} failed`)
}

const readManifest = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

const packages = readdirSync(join(root, "packages"))
  .map((name) => ({ name, folder: join(root, "packages", name) }))
  .map(({ name, folder }) => ({ folder, tarball: `${name}.tgz`, manifest: readManifest(folder) }))
  .filter(({ manifest }) => manifest.private !== true)

/** A user's project: every tarball, their required peers, and the Node types that ioredis' declarations refer to. */
const makeProject = (project: string): void => {
  const required = packages.flatMap(({ manifest }) =>
    Object.entries(manifest.peerDependencies ?? {}).filter(
      ([peer]) => manifest.peerDependenciesMeta?.[peer]?.optional !== true
    )
  )
  const dependencies = {
    "@types/node": "24",
    ...Object.fromEntries(required),
    ...Object.fromEntries(packages.map(({ manifest, tarball }) => [manifest.name, `file:../${tarball}`]))
  }
  const imports = packages.map(({ manifest }, index) => `import * as package${index} from "${manifest.name}"`)
  const prints = packages.map(
    ({ manifest }, index) => `console.log("${manifest.name}:", Object.keys(package${index}).join(", "))`
  )
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  writeFileSync(join(project, "main.ts"), [...imports, ...prints, ""].join("\n"))
}

const temporary = mkdtempSync(join(tmpdir(), "check-packages-"))
try {
  // tsc leaves behind what it once made of a module that is gone by now.
  for (const { folder } of packages) rmSync(join(folder, "dist"), { recursive: true, force: true })
  run(root, "tsc", "-b", ...packages.map(({ folder }) => folder))
  for (const { folder, tarball } of packages) {
    // pnpm, because only pnpm applies `publishConfig.exports` and replaces `workspace:` and `catalog:`.
    run(folder, "pnpm", "--silent", "pack", "--out", join(temporary, tarball))
    run(temporary, "publint", "--strict", tarball)
    run(temporary, "attw", "--profile", "esm-only", "--no-summary", "--format", "table-flipped", tarball)
  }
  const project = join(temporary, "project")
  makeProject(project)
  run(project, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
  run(project, "node", "main.ts")
  // Without skipLibCheck: our declarations have to be sound as well.
  run(project, "tsc", ..."--noEmit --strict --module nodenext --target es2024 --types node main.ts".split(" "))
} finally {
  rmSync(temporary, { recursive: true })
}
