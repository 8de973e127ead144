import { basename } from "node:path"
import { defineConfig } from "vitest/config"
import { docs } from "./vitest.docs.ts"

const folders = [
  "packages/core",
  "packages/memory-backend",
  "packages/redis-backend",
  "packages/tiered",
  "packages/domains",
  "packages/tiercache",
  "examples/market-quotes",
  "bench"
]
const integration = "test/**/*.integration.test.ts"
const seconds = 1000
/** `test:full` raises the run counts of properties, so one test may take minutes. */
const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const patience = isFull ? 20 : 1
/** What takes minutes, or a tool that only `.ci/run` installs. */
const long = "test/**/*.full.integration.test.ts"

const projectsOf = (root: string) => [
  {
    test: {
      name: basename(root),
      root,
      include: ["test/**/*.test.ts"],
      exclude: [integration],
      testTimeout: 60 * seconds * patience
    }
  },
  {
    test: {
      name: `${basename(root)}:integration`,
      root,
      include: [integration],
      exclude: isFull ? [] : [long],
      testTimeout: 120 * seconds * patience,
      hookTimeout: 60 * seconds
    }
  }
]

const types = {
  test: {
    name: "types",
    include: [],
    typecheck: {
      enabled: true,
      only: true,
      build: true,
      include: ["{packages,examples}/*/test/**/*.test-d.ts"],
      tsconfig: "tsconfig.test.json"
    }
  }
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    // One worker per core; the default leaves one core idle, which on two cores is half of the machine.
    maxWorkers: "100%",
    projects: [...folders.flatMap(projectsOf), types, docs],
    coverage: { include: ["packages/*/src/**/*.ts"], reporter: ["text", "html", "json-summary"] }
  }
})
