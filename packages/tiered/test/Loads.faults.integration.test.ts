/**
 * Reading through in a fleet: who loads, who waits, and what happens when processes that load die, stop or hear nothing.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import * as CommandLog from "./faults/CommandLog.ts"
import type * as Fetches from "./faults/Fetches.ts"
import * as Origin from "./faults/Origin.ts"
import * as Stage from "./faults/Stage.ts"

/** Five processes over one Redis. Each test has keys of its own. */
class Fleet extends Context.Service<
  Fleet,
  Stage.Stage & { readonly origin: Origin.Origin; readonly log: CommandLog.CommandLog }
>()("@tiercache/tiered/test/Fleet") {}

const fleetLayer = Layer.effect(
  Fleet,
  Effect.gen(function* () {
    const origin = Origin.make()
    const stage = yield* Stage.make({
      names: ["a", "b", "c", "d", "e"],
      seed: 1,
      keysPerMember: 0,
      origin,
      // a Redis that is taken for away lets each process load for itself
      commandTimeoutMillis: 10_000
    })
    // so that Redis knows the scripts
    yield* stage.members[0]?.fetch("first") ?? Effect.void
    const log = yield* CommandLog.make(stage.server)
    yield* Effect.addFinalizer(() => Effect.orDie(Stage.end(stage.members)))
    return { ...stage, origin, log }
  })
)

const CALLERS = 64

/** Never over in a test. */
const HOUR = 3_600_000

/** The shortest that there is: a process that dies is replaced after that. */
const LEASE_MILLIS = 1000

/** Longer than a pause of a busy machine. */
const LONG_LEASE_MILLIS = 3500

type FetchOptions = Parameters<Stage.Member["fetch"]>[1]

/** Lets each of the members fetch; what each caller got, when all have it. */
const fetchAll = (members: ReadonlyArray<Stage.Member>, key: string, options?: FetchOptions) =>
  Effect.forkChild(
    Effect.map(
      Effect.forEach(members, (member) => member.fetch(key, options), { concurrency: "unbounded" }),
      (fetches) => fetches.flat()
    )
  )

const versions = (fetches: ReadonlyArray<Fetches.Fetch>) =>
  new Set(fetches.map(({ error, version }) => version ?? error))

const options = { excludeTestServices: true, concurrent: true, timeout: Stage.PATIENCE_MILLIS }

layer(fleetLayer, options)("loads in five processes", (it) => {
  it.effect(
    "64 callers in each of 5 processes: one load, one value, and no polling meanwhile",
    Effect.fnUntraced(function* () {
      const { log, members, origin } = yield* Fleet
      origin.hold("cold")
      const fetching = yield* fetchAll(members, "cold", { callers: CALLERS, policy: { hardTimeout: 6000 } })
      // all have asked, those who wait have looked again, and time has passed
      yield* log.untilTakes("cold", 9)
      yield* log.untilOthers("cold", 1)
      assert.strictEqual(log.takes("cold"), 9)
      origin.release("cold")
      const fetches = yield* Fiber.join(fetching)
      assert.strictEqual(fetches.length, 5 * CALLERS)
      assert.deepStrictEqual(versions(fetches), new Set([1]))
      assert.strictEqual(origin.loadsOf("cold").length, 1)
      // each that waited was woken once
      assert.strictEqual(log.takes("cold"), 13)
    })
  )

  it.effect(
    "64 callers in each of 5 processes: one failure, after which the next caller tries again",
    Effect.fnUntraced(function* () {
      const { log, members, origin } = yield* Fleet
      origin.hold("failing")
      origin.fail("failing")
      const fetching = yield* fetchAll(members, "failing", { callers: CALLERS })
      yield* log.untilTakes("failing", 5)
      origin.release("failing")
      const fetches = yield* Fiber.join(fetching)
      const [load] = origin.loadsOf("failing")
      const isOwn = ({ process }: Fetches.Fetch) => process === load?.process
      assert.deepStrictEqual(versions(fetches.filter(isOwn)), new Set(["the origin failed"]))
      assert.deepStrictEqual(versions(fetches.filter((fetch) => !isOwn(fetch))), new Set(["LoadFailed"]))
      assert.strictEqual(fetches.filter(isOwn).length, CALLERS)
      assert.strictEqual(origin.loadsOf("failing").length, 1)

      origin.recover("failing")
      const again = yield* Fiber.join(yield* fetchAll(members, "failing"))
      assert.deepStrictEqual(versions(again), new Set([1]))
      assert.strictEqual(origin.loadsOf("failing").length, 2)
    })
  )

  it.effect(
    "a process that is killed while it loads is replaced within its lease",
    Effect.fnUntraced(function* () {
      const { join, log, members, origin } = yield* Fleet
      const doomed = yield* join("doomed", { leaseMillis: LEASE_MILLIS })
      origin.hold("orphan", 1)
      yield* Effect.forkChild(doomed.fetch("orphan", { callers: CALLERS }))
      yield* origin.asked("orphan")
      const fetching = yield* fetchAll(members, "orphan", { callers: CALLERS })
      yield* log.untilTakes("orphan", 6)
      yield* doomed.kill
      assert.deepStrictEqual(versions(yield* Fiber.join(fetching)), new Set([1]))
      assert.strictEqual(origin.loadsOf("orphan").length, 2)
    })
  )

  it.effect(
    "what a process brings that was stopped beyond its lease is not stored",
    Effect.fnUntraced(function* () {
      const { join, members, origin } = yield* Fleet
      const frozen = yield* join("frozen", { leaseMillis: LEASE_MILLIS })
      origin.hold("frozen", 1)
      const late = yield* Effect.forkChild(frozen.fetch("frozen"))
      yield* origin.asked("frozen")
      yield* frozen.pause
      // nobody is told of it: the lease alone keeps the old version out
      origin.write("frozen")
      const fetches = yield* Fiber.join(yield* fetchAll(members, "frozen", { callers: CALLERS }))
      assert.deepStrictEqual(versions(fetches), new Set([2]))
      origin.release("frozen")
      yield* frozen.resume
      const [own] = yield* Fiber.join(late)
      assert.deepInclude(own, { version: 1, tier: "loader", isSuperseded: true })

      for (const member of [frozen, ...members]) {
        const { l1, l2 } = yield* member.inspect("frozen")
        assert.strictEqual(l1 ?? 2, 2)
        assert.strictEqual(l2, 2)
      }
      const [next] = yield* frozen.fetch("frozen")
      assert.strictEqual(next?.version, 2)
      assert.strictEqual(origin.loadsOf("frozen").length, 2)
    })
  )

  it.effect(
    "processes whose bus is cut or silent get what another one has loaded",
    Effect.fnUntraced(function* () {
      const { join, log, members, origin } = yield* Fleet
      const deaf = yield* Effect.forEach(["deaf", "silenced"], (name) => join(name), { concurrency: 2 })
      const [cut, silenced] = Stage.two(deaf)
      yield* Effect.andThen(cut.bus.refuse, cut.bus.cut)
      yield* silenced.bus.drop()
      origin.hold("unheard")
      const fetching = yield* fetchAll([...members, ...deaf], "unheard", { callers: CALLERS })
      yield* log.untilTakes("unheard", 7)
      origin.release("unheard")
      assert.deepStrictEqual(versions(yield* Fiber.join(fetching)), new Set([1]))
      assert.strictEqual(origin.loadsOf("unheard").length, 1)
    })
  )

  it.effect(
    "while the origin is down, all processes together try once in each back-off, and have the stale value",
    Effect.fnUntraced(function* () {
      const { all, members, origin } = yield* Fleet
      const backoff = 400
      const policy = { ttl: 100, grace: HOUR, backoff }
      yield* Stage.two(members)[0].fetch("down", { policy })
      origin.fail("down")
      yield* all((member) =>
        member.order({
          _tag: "Traffic",
          seed: 1,
          reads: ["down"],
          policies: [policy],
          readEveryMillis: 10,
          changes: [],
          changeEveryMillis: HOUR
        })
      )
      yield* origin.asked("down", 4)
      yield* all((member) => member.order({ _tag: "Stop" }))
      const reports = yield* Effect.forEach(members, ({ report }) => report)
      const fetches = reports.flatMap((report) => report.fetches).filter(({ key }) => key === "down")
      assert.deepStrictEqual(versions(fetches), new Set([1]))
      assert.isAbove(fetches.filter(({ isStale }) => isStale).length, CALLERS)

      const failed = origin.loadsOf("down").slice(1)
      const pauses = failed.slice(1).map(({ at }, index) => at - (failed[index]?.at ?? 0))
      // Redis counts in whole milliseconds
      assert.isAtLeast(Math.min(...pauses), backoff - 1)

      origin.recover("down")
      origin.write("down")
      const recovered = Effect.flatMap(fetchAll(members, "down", { policy }), Fiber.join)
      yield* Effect.repeat(recovered, { until: (fetches) => fetches.every(({ version }) => version === 2) })
    })
  )

  it.effect.each([
    ["stale", { ttl: 200, grace: HOUR, staleWhileRevalidate: true, hardTimeout: LONG_LEASE_MILLIS }],
    ["due", { ttl: HOUR, refreshAhead: HOUR, hardTimeout: LONG_LEASE_MILLIS }]
  ] as const)(
    "a process that is killed while it refreshes what is %s in the background is replaced after its lease",
    Effect.fnUntraced(function* ([key, policy]) {
      const { join, members, origin } = yield* Fleet
      const doomed = yield* join(`doomed-${key}`)
      yield* doomed.fetch(key, { policy })
      origin.hold(key, 1)
      origin.write(key)
      const fetchOld = doomed.fetch(key, { policy: { ...policy, ttl: HOUR } })
      yield* Effect.repeat(fetchOld, { until: () => origin.loadsOf(key).length === 2 })
      yield* doomed.kill

      const fetch = Effect.flatMap(fetchAll(members, key, { policy }), Fiber.join)
      assert.deepStrictEqual(versions(yield* fetch), new Set([1]))
      assert.strictEqual(origin.loadsOf(key).length, 2)
      yield* Effect.repeat(fetch, { until: (fetches) => fetches.every(({ version }) => version === 2) })
      assert.strictEqual(origin.loadsOf(key)[2]?.version, 2)
    })
  )

  it.effect(
    "a stale value that was deleted is not given to those who join a load that began before",
    Effect.fnUntraced(function* () {
      const { log, members, origin } = yield* Fleet
      const [holder, waiter] = Stage.two(members)
      const [changer] = Stage.two(members.slice(2))
      const policy = { ttl: 100, grace: HOUR }
      yield* holder.fetch("joined", { policy })
      yield* Effect.repeat(holder.inspect("joined"), { until: ({ l2 }) => l2 === undefined })
      origin.hold("joined")
      const old = yield* fetchAll([holder, waiter], "joined", { policy })
      yield* origin.asked("joined", 2)
      yield* log.untilTakes("joined", 3)
      yield* changer.order({ _tag: "Change", key: "joined", by: "delete" })
      // who waited loads now
      yield* origin.asked("joined", 3)
      const next = yield* fetchAll([waiter], "joined", { policy: { ...policy, staleWhileRevalidate: true } })
      yield* waiter.inspect("joined")
      origin.release("joined")
      assert.deepStrictEqual(versions(yield* Fiber.join(next)), new Set([2]))
      assert.deepStrictEqual(versions(yield* Fiber.join(old)), new Set([1, 2]))
    })
  )
})
