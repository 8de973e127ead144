/**
 * All of them.
 */
import { all, rivals } from "./rivals/index.ts"
import type { Target } from "./Target.ts"

const US = "tiercache"
const ONE_KEY = { suite: "l1-hits", workload: "one key" } as const
const LRU = "lru-cache: peek"

const hits: ReadonlyArray<Target> = [
  { ...ONE_KEY, title: "`peek` of a hit", of: "tiercache: peek", by: LRU, atMost: 2 },
  { ...ONE_KEY, title: "`await get` of a hit", of: "tiercache: get", by: "lru-cache, awaited: get", atMost: 1.5 },
  { ...ONE_KEY, title: "`yield* get` of a hit", of: "tiercache, in a fiber: get", by: LRU, atMost: 6 },
  { ...ONE_KEY, title: "`getOrLoad` of a hit", of: "tiercache: getOrLoad", by: "tiercache: get", atMost: 1.3 },
  ...all
    .filter(({ name, sharesValues, tiers }) => name !== US && tiers !== "L2" && !sharesValues)
    .map(({ name }): Target => {
      const title = "a hit, beside who isolates values too"
      return { ...ONE_KEY, title, of: `${name}: get`, by: "tiercache: get", atLeast: 5 }
    })
]

const reads: ReadonlyArray<Target> = [
  {
    title: "reads of Redis, 100 in flight",
    suite: "l2-hits",
    workload: "100 in flight",
    of: "ioredis",
    by: US,
    atLeast: 2.2
  },
  {
    title: "reads of Redis, one after the other",
    suite: "l2-hits",
    workload: "one after the other",
    of: US,
    by: "ioredis",
    atMost: 1.15
  },
  { title: "`getMany` of 100", suite: "many", workload: "all in Redis", of: "ioredis", by: US, atLeast: 0.85 },
  {
    title: "`getMany` of 100: commands, where one slot is all",
    suite: "many",
    workload: "all in Redis: commands",
    of: US,
    atMost: 1
  },
  {
    title: "old values that stay in L1, after reads that a write overtakes",
    suite: "stale-reads",
    workload: "of 100 by get",
    of: US,
    atMost: 0
  },
  { title: "the same by `getOrLoad`", suite: "stale-reads", workload: "of 100 by getOrLoad", of: US, atMost: 0 },
  { title: "the same by `getMany`", suite: "stale-reads", workload: "of 100 by getMany", of: US, atMost: 0 }
]

const writes: ReadonlyArray<Target> = [
  { title: "a write through both tiers: commands", suite: "sets", workload: "one write: commands", of: US, atMost: 1 },
  {
    title: "writes, one after the other",
    suite: "sets",
    workload: "one after the other",
    of: US,
    by: "ioredis: one Lua script",
    atMost: 1.3
  },
  {
    title: "writes, 100 in flight",
    suite: "sets",
    workload: "100 in flight",
    of: "ioredis: SET, then PUBLISH",
    by: US,
    atLeast: 1.5
  },
  {
    title: "`deleteTags` of 1 000 among 1 000 000",
    suite: "tags",
    workload: "among 1000000 keys",
    of: "tiercache: deleteTags",
    by: "ioredis: one pass of SCAN",
    atMost: 1 / 50
  }
]

const memory: ReadonlyArray<Target> = [
  { title: "heap of an entry in L1", suite: "memory", workload: "of the heap", of: US, by: "lru-cache", atMost: 1.3 },
  {
    title: "memory of a quote in Redis",
    suite: "memory",
    workload: "of Redis",
    of: US,
    by: "bare MessagePack",
    atMost: 1.15
  }
]

const limitsAndLocks: ReadonlyArray<Target> = [
  {
    title: "GCRA over Redis, 50 in flight",
    suite: "limits",
    workload: "on Redis, 50 in flight",
    of: "tiercache: GCRA",
    by: "ioredis: INCR",
    atLeast: 0.6
  },
  {
    title: "a lock that 64 want: commands for each",
    suite: "locks",
    workload: "64 want it: commands for each",
    of: US,
    atMost: 5
  }
]

/** Who is in front of the same Redis with an L1, or without one. */
const loaded = rivals.filter(({ name, tiers }) => name !== US && (tiers === "both" || tiers === "L2"))

const load: ReadonlyArray<Target> = [
  ...loaded.map(({ name }): Target => {
    const title = "four processes: operations"
    return { title, suite: "load", workload: "operations", of: US, by: name, atLeast: 1 }
  }),
  // who tells others nothing sends less, and reads what is old
  ...loaded
    .filter(({ hasBus, tiers }) => hasBus || tiers === "L2")
    .map(({ name }): Target => {
      const title = "four processes: commands for an operation"
      return { title, suite: "load", workload: "commands for an operation", of: US, by: name, atMost: 1 }
    }),
  {
    title: "four processes: reads older than the bound",
    suite: "load",
    workload: "reads older than a second",
    of: US,
    atMost: 0
  }
]

export const targets: ReadonlyArray<Target> = [...hits, ...reads, ...writes, ...memory, ...limitsAndLocks, ...load]
