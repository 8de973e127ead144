/**
 * Values that change while processes load them: nobody keeps, or is given later than the bound, what was loaded before a change.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import * as CommandLog from "./faults/CommandLog.ts"
import * as Fetches from "./faults/Fetches.ts"
import * as Origin from "./faults/Origin.ts"
import type * as Orders from "./faults/Orders.ts"
import * as Stage from "./faults/Stage.ts"
import { makeRandom } from "./faults/Workload.ts"

const HOUR = 3_600_000

/** What makes most happen in a short time. */
const POLICIES: (typeof Orders.Traffic.Type)["policies"] = [
  { ttl: HOUR },
  { ttl: 150, grace: 3000, staleWhileRevalidate: true },
  { ttl: 3000, refreshAhead: 2900 },
  { ttl: 100, grace: 1000, hardTimeout: 20_000 }
]

const CHANGERS = ["a", "b", "c", "d"]
const keysOf = (name: string) => ["p", "q", "r", "s", "t", "u"].map((key) => `${name}:${key}`)
const KEYS = CHANGERS.flatMap(keysOf)

const traffic = (members: ReadonlyArray<Stage.Member>, seed: number) =>
  Effect.forEach(
    members,
    (member, index) =>
      member.order({
        _tag: "Traffic",
        seed: seed * 100 + index,
        reads: KEYS,
        policies: POLICIES,
        readEveryMillis: 5,
        changes: keysOf(member.name),
        changeEveryMillis: 25
      }),
    { discard: true }
  )

const SLOW_SHARE = 0.05
const SLOW_MILLIS = 3 * Stage.BOUND_MILLIS

/** Most loads are quick; some last much longer than the bound, so that it matters who joins them. */
const latency = (random: () => number) => () => Duration.millis(random() < SLOW_SHARE ? SLOW_MILLIS : random() * 80)

/** How much longer than the bound a process may return what was replaced, by reads that did not end in L1. */
type Allowance = (report: Orders.Report) => number

/**
 * Who joins a load gets what it found when it began, unless its process has heard of a change since. So it matters how late that is, which
 * depends on the network and on how busy the machine is; the workers have measured it.
 */
const untilHeard: Allowance = ({ hearingMillis }) => hearingMillis

const LONGEST_FAULT_MILLIS = 1300

/**
 * Who hears nothing, or is stopped, may join a load or a read that began before. What is in the cache is no older for that. One fault
 * may follow upon the other.
 */
const amidFaults: Allowance = () => SLOW_MILLIS + 2 * LONGEST_FAULT_MILLIS

/** Fetches of a process that got something older than they may. */
const violationsOf = (report: Orders.Report, changes: ReadonlyArray<Fetches.Change>, allowance: Allowance) => {
  const [fromL1 = [], others = []] = [true, false].map((isL1) =>
    report.fetches.filter(({ tier }) => (tier === "l1") === isL1)
  )
  return [
    ...Fetches.violations(fromL1, changes, Stage.BOUND_MILLIS),
    ...Fetches.violations(others, changes, Stage.BOUND_MILLIS + allowance(report))
  ]
}

/** Waits for quiet, looks at all keys, checks what all got and ends the processes. */
const judge = Effect.fnUntraced(function* (
  { members }: Stage.Stage,
  origin: Origin.Origin,
  allowance: Allowance = untilHeard
) {
  const each = <A, E>(f: (member: Stage.Member) => Effect.Effect<A, E>) =>
    Effect.forEach(members, f, { concurrency: "unbounded" })
  yield* each((member) => member.order({ _tag: "Stop" }))
  yield* Effect.sleep(Stage.BOUND_MILLIS)
  yield* each((member) => member.order({ _tag: "Settle" }))
  const reports = yield* each((member) => member.report)
  const fetches = reports.flatMap((report) => report.fetches)
  const changes = reports.flatMap((report) => report.changes)

  const last = new Map(changes.map((change) => [change.key, change]))
  const known = KEYS.filter((key) => last.get(key)?.isAcknowledged === true)
  const rests = yield* each((member) =>
    Effect.forEach(known, (key) =>
      Effect.map(member.inspect(key), (held) => ({ process: member.name, key, ...held, current: origin.current(key) }))
    )
  )
  const isFrom = (tier: string) => fetches.filter((fetch) => fetch.tier === tier).length
  const summary = {
    fetches: fetches.length,
    fromL1: isFrom("l1"),
    fromL2: isFrom("l2"),
    stale: fetches.filter(({ isStale }) => isStale).length,
    superseded: fetches.filter(({ isSuperseded }) => isSuperseded).length,
    loads: origin.loads().length,
    acknowledged: changes.filter(({ isAcknowledged }) => isAcknowledged).length,
    hearing: Math.max(...reports.map(({ hearingMillis }) => hearingMillis))
  }
  const violations = reports.flatMap((report) => violationsOf(report, changes, allowance))
  const errors = new Set(fetches.flatMap(({ error }) => error ?? []))
  const inBrief = JSON.stringify({ ...summary, errors: [...errors] })
  assert.deepEqual([violations.slice(0, 20), violations.length], [[], 0], inBrief)
  assert.deepEqual(Fetches.leftovers(rests.flat()), [], inBrief)
  // so that there was something to go wrong
  for (const count of Object.values(summary)) assert.isAbove(count, 0, inBrief)
  assert.isAtLeast(known.length, KEYS.length / 4, inBrief)
  yield* Stage.end(members)
  return errors
})

/** What can happen to processes and their networks, one after the other. */
const faults = Effect.fnUntraced(function* ({ members, server }: Stage.Stage, random: () => number) {
  const pause = Effect.suspend(() => Effect.sleep(100 + random() * (LONGEST_FAULT_MILLIS - 100)))
  const during = (begin: Effect.Effect<void>, end: Effect.Effect<void>) =>
    begin.pipe(Effect.andThen(pause), Effect.andThen(end))
  const all = members.flatMap(({ bus, commands, ...process }) => [
    ...[bus, commands].flatMap((proxy) => [
      proxy.cut,
      during(Effect.andThen(proxy.refuse, proxy.cut), proxy.accept),
      during(proxy.stall("toServer"), proxy.pass()),
      during(proxy.stall("toClient"), proxy.pass()),
      during(proxy.drop(), proxy.pass())
    ]),
    during(process.pause, process.resume),
    during(server.pause, server.resume)
  ])
  return yield* Effect.forever(
    Effect.andThen(
      Effect.suspend(() => all[Math.floor(random() * all.length)] ?? Effect.void),
      pause
    )
  )
})

const heal = ({ all, server }: Stage.Stage) =>
  Effect.andThen(
    all(({ bus, commands, resume }) => Effect.all([resume, bus.pass(), bus.accept, commands.pass(), commands.accept])),
    server.resume
  )

describe("values that change while they are loaded", { concurrent: true, timeout: Stage.PATIENCE_MILLIS }, () => {
  it.live(
    "are not stored, whether they are deleted, set, deleted by a pattern, or all is flushed",
    Effect.fnUntraced(function* () {
      const origin = Origin.make()
      const stage = yield* Stage.make({
        names: ["loader", "waiter", "changer"],
        seed: 1,
        keysPerMember: 0,
        origin,
        commandTimeoutMillis: 10_000
      })
      const { members, server } = stage
      const [loader, waiter] = Stage.two(members)
      const [, changer] = Stage.two(members.slice(1))
      const changes = {
        delete: changer.order({ _tag: "Change", key: "delete", by: "delete" }),
        set: changer.order({ _tag: "Change", key: "set", by: "set" }),
        pattern: changer.order({ _tag: "Change", key: "pattern", by: "pattern" }),
        flush: Effect.andThen(
          Effect.sync(() => origin.write("flush")),
          server.ask("FLUSHALL")
        )
      }
      const log = yield* CommandLog.make(server)
      for (const [key, change] of Object.entries(changes)) {
        origin.hold(key, 1)
        const late = yield* Effect.forkChild(loader.fetch(key, { callers: 8 }))
        yield* origin.asked(key)
        const waiting = yield* Effect.forkChild(waiter.fetch(key, { callers: 8 }))
        yield* log.untilTakes(key, 2)
        yield* change

        // who comes after the change has what is new, while the old load goes on; of a flush its process does not hear
        const later = key === "flush" ? [waiter, changer] : members
        for (const member of later) assert.strictEqual((yield* member.fetch(key))[0]?.version, 2, key)
        for (const fetch of yield* Fiber.join(waiting)) assert.strictEqual(fetch.version, 2, key)
        origin.release(key)
        for (const fetch of yield* Fiber.join(late)) {
          assert.deepInclude(fetch, { version: 1, tier: "loader", isSuperseded: true }, key)
        }
        for (const member of members) {
          const { l1, l2 } = yield* member.inspect(key)
          assert.deepStrictEqual({ l1: l1 ?? 2, l2 }, { l1: 2, l2: 2 }, key)
        }
        assert.strictEqual(origin.loadsOf(key).length, key === "set" ? 1 : 2, key)
      }
      yield* Stage.end(members)
    })
  )

  it.live(
    "are not kept by a process that hears of their end before it hears that they were stored",
    Effect.fnUntraced(function* () {
      const origin = Origin.make()
      const { members, server } = yield* Stage.make({
        names: ["loader", "changer"],
        seed: 1,
        keysPerMember: 0,
        origin,
        commandTimeoutMillis: 10_000
      })
      const [loader, changer] = Stage.two(members)
      // so that Redis knows the scripts, and L1 is trusted: on a busy machine it may not be for a moment
      yield* Effect.repeat(Effect.andThen(loader.fetch("first"), loader.inspect("first")), {
        until: ({ l1, l2 }) => l1 === 1 && l2 === 1
      })
      const log = yield* CommandLog.make(server)
      origin.hold("k")
      const fetching = yield* Effect.forkChild(loader.fetch("k"))
      yield* origin.asked("k")
      yield* loader.commands.stall("toClient")
      origin.release("k")
      yield* log.untilOthers("k", 1)
      const { messages } = yield* loader.stats
      yield* changer.order({ _tag: "Change", key: "k", by: "delete" })
      yield* Stage.until([loader], (stats) => stats.messages > messages)
      yield* loader.commands.pass()
      assert.deepInclude((yield* Fiber.join(fetching))[0], { version: 1, isSuperseded: false })
      assert.deepStrictEqual(yield* loader.inspect("k"), { l1: undefined, l2: undefined })
      yield* Stage.end(members)
    })
  )

  it.live.each(Stage.SEEDS)(
    "are not given to those who come later than the bound, seed %i",
    Effect.fnUntraced(function* (seed) {
      const origin = Origin.make()
      const random = makeRandom(seed)
      const millis = (most: number) => () => `${Math.floor(random() * most)} millis` as const
      origin.slow(latency(random))
      // nothing fails here, so that who is slow only keeps others waiting
      const stage = yield* Stage.make({ names: CHANGERS, seed, keysPerMember: 0, origin, commandTimeoutMillis: 10_000 })
      // some hear of changes before they are answered, others after that
      yield* stage.all(({ bus, commands }, index) => {
        const [busMillis, commandMillis] = index % 2 === 0 ? [100, 10] : [10, 100]
        return Effect.andThen(
          bus.delay(millis(busMillis), "toClient"),
          commands.delay(millis(commandMillis), "toClient")
        )
      })
      yield* traffic(stage.members, seed)
      // an eviction of everything
      yield* Effect.forever(Effect.andThen(Effect.sleep("400 millis"), stage.server.ask("FLUSHALL"))).pipe(
        Effect.timeoutOption(Stage.outage(2500, 20_000))
      )
      yield* stage.all(({ bus, commands }) => Effect.andThen(bus.pass(), commands.pass()))
      assert.deepEqual(yield* judge(stage, origin), new Set())
    })
  )

  it.live.each(Stage.SEEDS)(
    "are not given later to processes that are stopped, or whose networks fail, seed %i",
    Effect.fnUntraced(function* (seed) {
      const origin = Origin.make()
      const random = makeRandom(seed)
      origin.slow(latency(random))
      const stage = yield* Stage.make({ names: CHANGERS, seed, keysPerMember: 0, origin })
      yield* traffic(stage.members, seed)
      yield* Effect.all([faults(stage, random), faults(stage, random)], { concurrency: 2 }).pipe(
        Effect.timeoutOption(Stage.outage(3000, 20_000))
      )
      yield* heal(stage)
      yield* Stage.until(stage.members, Stage.isTrusting)
      yield* judge(stage, origin, amidFaults)
    })
  )
})
