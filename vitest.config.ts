import { availableParallelism } from "node:os"
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
  "examples/broker-api",
  "examples/market-quotes",
  "bench"
]
const integration = "test/**/*.integration.test.ts"
const seconds = 1000
/** `test:full` raises the run counts of properties, so one test may take minutes. */
const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const patience = isFull ? 5 : 1
/** What takes minutes, or a tool that only `.ci/run` installs. */
const long = "test/**/*.full.integration.test.ts"

/** Whose tests set variables of the environment, which Effect reads once in a process. The others leave nothing behind. */
const CHANGE_ENVIRONMENT = new Set(["packages/tiercache"])

const projectsOf = (root: string) => [
  {
    test: {
      name: basename(root),
      root,
      include: ["test/**/*.test.ts"],
      exclude: [integration],
      // to load Effect takes longer than most of these files, so a worker does it once
      isolate: CHANGE_ENVIRONMENT.has(root),
      testTimeout: 60 * seconds * patience
    }
  },
  {
    test: {
      name: `${basename(root)}:integration`,
      root,
      include: [integration],
      exclude: isFull ? [] : [long],
      isolate: CHANGE_ENVIRONMENT.has(root),
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
    // Half of the time tests wait, for servers that fail and timers that run: more workers than cores keep the cores busy.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [...folders.flatMap(projectsOf), types, docs],
    coverage: { include: ["packages/*/src/**/*.ts"], reporter: ["text", "html", "json-summary"] }
  }
})
