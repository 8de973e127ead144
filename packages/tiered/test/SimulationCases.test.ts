/**
 * Schedules that broke a promise once, and those that are easily broken and rarely drawn.
 */
import { assert, describe, it } from "@effect/vitest"
import { LIMITS } from "../src/Coherence.ts"
import * as Rules from "../src/internal/rules.ts"
import { Database } from "./simulation/Database.ts"
import { ModelRedis } from "./simulation/ModelRedis.ts"
import { SimulatedProcess } from "./simulation/SimulatedProcess.ts"
import { report } from "./simulation/Report.ts"
import * as Simulation from "./simulation/Simulation.ts"
import {
  abort,
  advance,
  connect,
  crash,
  cut,
  del,
  deleteMany,
  deletePattern,
  evict,
  expire,
  fail,
  finish,
  flow,
  flush,
  get,
  getFresh,
  getMany,
  getManyOrLoad,
  getOrLoad,
  hear,
  interrupt,
  linger,
  load,
  look,
  notice,
  refresh,
  refuse,
  reopen,
  reply,
  serve,
  serveOrphan,
  set,
  setMany,
  sever,
  stall,
  type Step
} from "./simulation/Step.ts"
import { VirtualTime } from "./simulation/VirtualTime.ts"

/** A schedule in parts, each of which is about one thing. */
type Parts = ReadonlyArray<ReadonlyArray<Step>>

const check = (parts: Parts): void => {
  const run = Simulation.run({ processes: 2 }, parts.flat())
  const violations = Simulation.check(run, {})
  if (violations.length > 0) assert.fail(report(run, violations))
}

/** Process 0 has a lease, and its loader has looked at the database. */
const loading = (load: Step): ReadonlyArray<Step> => [evict("a"), load, serve(0), reply(0), look(0)]

const stale = { grace: true, staleWhileRevalidate: true }

const cases: Readonly<Record<string, Parts>> = {
  "a read past L1 that finds nothing": [
    [get(0, "a"), flow(0)],
    [del(1, "a"), flow(1)],
    [getFresh(0, "a"), serve(0), reply(0)]
  ],
  "a read during an own write that sees a later one": [
    [sever(0), set(0, "a"), serve(0)],
    [set(1, "a"), flow(1)],
    [getFresh(0, "a"), flow(0)]
  ],
  "an own write that is sent again, and comes after the next one": [
    [set(0, "a"), set(0, "a"), refuse(0), serve(0), reply(0), serve(0)],
    [hear(0), hear(0), reply(0)]
  ],
  "the same, while the bus is connected anew": [
    [set(0, "a"), refuse(0)],
    [sever(0), notice(0), connect(0), hear(0)],
    [set(0, "a"), serve(0), serve(0), hear(0)],
    [reply(0), serve(0), reply(0), reply(0), hear(0), hear(0)]
  ],
  "an own write that is sent again, and comes after a read that began when the bus had been connected anew": [
    [set(0, "a"), refuse(0)],
    [sever(0), notice(0), connect(0), hear(0)],
    [get(0, "a"), serve(0), serve(0), hear(0)],
    [reply(0), serve(0), reply(0), linger(0), reply(0), reply(0)]
  ],
  "an own write in several commands, of which a read sees what replaced the first": [
    [sever(0), setMany(0, ["a", "b", "c"]), serve(0), refuse(0)],
    [set(1, "a"), flow(1)],
    [getFresh(0, "a"), flow(0)]
  ],
  "a read in several commands that is overtaken by a later one": [
    [getMany(0, ["a", "b", "c"]), serve(0)],
    [set(1, "a"), flow(1)],
    [serve(0), getFresh(0, "a"), serve(0)],
    [reply(0), linger(0), reply(0), reply(0)]
  ],
  "a read from before an epoch, when a later one is under way": [
    [getFresh(0, "a"), serve(0)],
    [flush, hear(0)],
    [get(0, "a"), reply(0)]
  ],
  "a delete that fails while the one before it is repeated": [
    [cut(0), del(0, "a"), advance(60), reopen(0), advance(25), serve(0)],
    [set(1, "a"), flow(1)],
    [del(0, "a"), interrupt(0), reply(0), cut(0), advance(60)]
  ],
  "a heartbeat that is heard late": [
    [get(0, "a"), flow(0), advance(25), serve(0)],
    [set(1, "a"), flow(1)],
    [advance(60), hear(0), advance(50)]
  ],
  "a delete by pattern of what only a reply under way still has": [
    [get(0, "a"), serve(0), evict("a")],
    [deletePattern(1), flow(1)],
    [hear(0), hear(0), reply(0)]
  ],
  "a load that a delete overtakes": [
    [...loading(getOrLoad(0, "a")), getOrLoad(1, "a"), flow(1)],
    [del(1, "a"), flow(1)],
    [finish(0), flow(0)]
  ],
  "a load whose end is acknowledged after a delete of what it stored": [
    [...loading(getOrLoad(0, "a")), finish(0), serve(0)],
    [del(1, "a"), flow(1)],
    [hear(0), reply(0)]
  ],
  "a load that is stored although its process has given up": [
    [...loading(refresh(0, "a")), finish(0), cut(0), reopen(0)],
    [get(0, "a"), flow(0), serveOrphan(0)],
    [hear(0), get(0, "a")]
  ],
  "a load whose lease was over, and taken by another": [
    [...loading(load(0, "a")), stall(110)],
    [load(1, "a"), flow(1), look(1)],
    [finish(0), flow(0)],
    [finish(1), flow(1)]
  ],
  "a load whose lease was over, and taken by nobody": [[...loading(load(0, "b")), stall(110), finish(0), flow(0)]],
  "a load that is interrupted while others wait for it": [
    [...loading(getOrLoad(0, "a")), getOrLoad(1, "a"), flow(1)],
    [interrupt(0), flow(0), flow(1)]
  ],
  "a load whose process dies while others wait for it": [
    [...loading(getOrLoad(0, "a")), getOrLoad(1, "a"), flow(1)],
    [crash(0)]
  ],
  "a load that a flush overtakes": [
    [...loading(getOrLoad(0, "c"))],
    [flush, hear(0), getOrLoad(0, "c"), finish(0), flow(0)]
  ],
  "a load during which the bus was disconnected, and a delete missed": [
    [...loading(getOrLoad(0, "a")), sever(0)],
    [del(1, "a"), flow(1)],
    [notice(0), connect(0), hear(0)],
    [getOrLoad(0, "a"), finish(0), flow(0)]
  ],
  "a stale value that is deleted while its successor is loaded elsewhere": [
    [set(0, "a", { ttl: "short", grace: true }), flow(0), advance(155)],
    [getOrLoad(0, "a"), flow(0)],
    [getOrLoad(1, "a", { grace: true }), getOrLoad(1, "a", stale), flow(1), advance(1)],
    [del(0, "a"), flow(0), flow(1)],
    [getOrLoad(1, "a", stale), flow(1), advance(1)]
  ],
  "an own write that is acknowledged late and soon expires": [
    [set(0, "a", { ttl: "short" }), serve(0), advance(10), reply(0)],
    ...Array.from({ length: 5 }, () => [advance(25), flow(0)]),
    [advance(20)]
  ]
}

describe("the promises are kept with", () => {
  it.each(Object.entries(cases))("%s", (_, parts) => check(parts))
})

describe("a process", () => {
  it("that was stopped for long still has what it had, when it has heard the bus", () => {
    const { history } = Simulation.run({ processes: 1 }, [get(0, "a"), flow(0), stall(10_000), advance(25), flow(0)])
    assert.deepInclude(history.peeks.at(-1), { key: "a", value: 1, afterStep: 5 })
  })

  it("that ends leaves no timer behind", () => {
    const time = new VirtualTime()
    const server = new ModelRedis(time)
    const shared = {
      time,
      server,
      database: new Database(),
      loads: [],
      failures: [],
      rules: Rules.all,
      limits: LIMITS,
      options: {},
      looksAgain: true,
      nextValue: () => 1,
      step: () => 0
    }
    const process = new SimulatedProcess("p0", 0, shared)
    process.start(0, { call: "get", key: "a", fresh: false })
    process.start(1, { call: "getOrLoad", key: "b", options: { hardTimeout: true } })
    process.start(2, { call: "load", key: "c", options: {} })
    time.drain()
    while (process.commands.serve());
    for (; process.commands.reply(); time.drain());
    assert.isTrue(process.loads.look())
    assert.isAbove(time.pending(), 0)
    process.kill()
    assert.strictEqual(time.pending(), 0)
  })

  const starts = [
    ["getOrLoad", getOrLoad],
    ["hand", load]
  ] as const

  it.each(starts)("whose load fails, by %s, fails for all who wait for it", (_, start) => {
    const waiters = [getOrLoad(0, "a"), getOrLoad(1, "a"), getOrLoad(1, "a"), flow(1)]
    const run = Simulation.run({ processes: 2 }, [
      ...loading(start(0, "a")),
      ...waiters,
      flow(0),
      fail(0),
      flow(0),
      flow(1)
    ])
    assert.deepStrictEqual(Simulation.check(run, {}), [])
    const outcomes = run.history.operations.flatMap(({ kind, outcome }) => (kind === "load" ? [outcome] : []))
    assert.deepStrictEqual([run.history.loads.length, ...outcomes], [1, "failed", "failed", "failed", "failed"])
  })

  it.each(starts)("whose load, by %s, takes longer than its lease is the only one to load", (_, start) => {
    const wait = [advance(10), flow(0), start(1, "a"), flow(1)]
    const leaseMillis = start === load ? 60 : 10_000
    const waits = Array.from({ length: (1.5 * leaseMillis) / 10 }, () => wait)
    const run = Simulation.run({ processes: 2 }, [...loading(start(0, "a")), ...waits.flat(), finish(0), flow(0)])
    assert.deepStrictEqual(Simulation.check(run, {}), [])
    assert.lengthOf(run.history.loads, 1)
  })
})

describe("nothing is left behind when a call is interrupted", () => {
  /** More than any call takes until it waits for the server. */
  const TURNS = 15
  const LOAD_TURNS = 60
  const calls = [
    get(0, "a"),
    getMany(0, ["a", "b", "c"]),
    set(0, "a"),
    setMany(0, ["a", "b", "c"]),
    del(0, "a"),
    deleteMany(0, ["a", "b"]),
    expire(0, "a", "long"),
    deletePattern(0)
  ]

  it.each(Array.from({ length: TURNS }, (_, turns) => turns))("after %i turns", (turns) => {
    for (const call of calls) check([[abort(turns, call)]])
  })

  it("while it loads", () => {
    for (let turns = 0; turns < LOAD_TURNS; turns++) {
      for (const call of [getOrLoad, refresh, load]) check([[abort(turns, call(0, "c")), getOrLoad(1, "c")]])
      check([[abort(turns, getManyOrLoad(0, ["c", "a"])), getOrLoad(1, "c")]])
    }
  })
})
