/**
 * What the network and Redis can do to processes that read and write all the time.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as RedisAdmin from "./faults/RedisAdmin.ts"
import * as SharedClock from "./faults/SharedClock.ts"
import * as Stage from "./faults/Stage.ts"
import { makeRandom } from "./faults/Workload.ts"

/** Time in which caches warm up, and in which those that recovered show what they have. */
const A_WHILE = "400 millis"

describe.each(Stage.SEEDS)("outages, seed %i", { concurrent: true, timeout: Stage.PATIENCE_MILLIS }, (seed) => {
  it.live(
    "a bus that is cut",
    Effect.fnUntraced(function* () {
      const { all, judge, members } = yield* Stage.make({ names: ["a", "b", "c"], seed })
      const [a, b] = Stage.two(members)
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      yield* Effect.forEach([a, b], ({ bus }) => Effect.andThen(bus.refuse, bus.cut))
      yield* Effect.sleep(Stage.outage(1200, 2000))
      yield* Effect.forEach([a, b], ({ bus }) => bus.accept)
      yield* Stage.until([a, b], ({ epochs }) => epochs["connected"] === 2)
      yield* Stage.until([a, b], Stage.isTrusting)
      // so short that it is over before anybody misses it
      yield* a.bus.cut
      yield* Stage.until([a], ({ epochs }) => epochs["connected"] === 3)
      yield* Effect.sleep(A_WHILE)
      yield* judge()
    })
  )

  it.live(
    "a bus that is silent: dead in both directions, in one, and only late",
    Effect.fnUntraced(function* () {
      const { all, judge, members } = yield* Stage.make({ names: ["a", "b", "c", "d"], seed })
      const [a, b] = Stage.two(members)
      const [c, d] = Stage.two(members.slice(2))
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      yield* a.bus.drop()
      yield* b.bus.drop("toClient")
      yield* c.bus.stall("toClient")
      yield* d.bus.drop("toServer")
      yield* Effect.sleep(Stage.outage(1800, 5000))
      yield* all(({ bus }) => bus.pass())
      yield* Stage.until([a, b, c], ({ state, trustLapses }) => state === "trusted" && trustLapses > 0)
      yield* Effect.sleep(A_WHILE)
      yield* judge()
    })
  )

  it.live(
    "a Redis that is killed and comes back empty",
    Effect.fnUntraced(function* () {
      const { all, judge, members, server } = yield* Stage.make({ names: ["a", "b"], seed })
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      yield* server.kill
      yield* Effect.sleep(Stage.outage(700, 2000))
      yield* server.restart
      yield* Stage.until(members, Stage.isTrusting)
      yield* Effect.sleep(A_WHILE)
      const { summary } = yield* judge()
      assert.isAbove(summary.failedWrites, 0)
    })
  )

  it.live(
    "a Redis that is frozen",
    Effect.fnUntraced(function* () {
      const { all, judge, members, server } = yield* Stage.make({ names: ["a", "b"], seed })
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      yield* server.pause
      yield* Effect.sleep(Stage.outage(1800, 3000))
      yield* server.resume
      yield* Stage.until(members, Stage.isTrusting)
      yield* Effect.sleep(A_WHILE)
      const { summary } = yield* judge()
      assert.isAbove(summary.failedWrites, 0)
    })
  )

  it.live(
    "commands that go to a promoted replica, while the bus stays at the old primary",
    Effect.fnUntraced(function* () {
      const { all, judge, members, server } = yield* Stage.make({ names: ["a", "b"], seed })
      const replica = yield* RedisServer.make({ args: ["--replicaof", "127.0.0.1", String(server.port)] })
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      // an asynchronous replica may lack writes, which is not what is tested
      yield* all((member) => member.order({ _tag: "Stop" }))
      yield* RedisAdmin.awaitReplica(server.port, replica.port)
      yield* all((member) => member.load({ writes: [] }))
      yield* Effect.sleep(A_WHILE)

      yield* RedisAdmin.promote(replica.port)
      yield* all(({ commands }) => Effect.andThen(commands.retarget({ port: replica.port }), commands.cut))
      const switchedAt = SharedClock.now()
      yield* all((member) => member.load({ reads: [], seed: seed + 1 }))
      yield* Effect.sleep(Stage.outage(1500, 3000))
      const healedAt = SharedClock.now()
      yield* all(({ bus }) => Effect.andThen(bus.retarget({ port: replica.port }), bus.cut))
      yield* Stage.until(members, Stage.isTrusting)
      yield* Effect.sleep(A_WHILE)

      const { history } = yield* judge()
      const during = history.operations.filter(
        ({ op, start }) => op === "read" && start > switchedAt + Stage.BOUND_MILLIS && start < healedAt
      )
      assert.isAbove(during.length, 0)
      assert.deepEqual(
        during.filter((read) => read.op === "read" && read.tier === "l1"),
        []
      )
    })
  )

  it.live(
    "anything, at random",
    Effect.fnUntraced(function* () {
      const { all, judge, members, server } = yield* Stage.make({ names: ["a", "b", "c"], seed })
      const random = makeRandom(seed)
      const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[Math.floor(random() * items.length)]
      const pause = Effect.suspend(() => Effect.sleep(100 + random() * 900))
      const during = (begin: Effect.Effect<void>, end: Effect.Effect<void>) =>
        begin.pipe(Effect.andThen(pause), Effect.andThen(end))

      const faultsOf = ({ bus, commands, ...process }: Stage.Member): ReadonlyArray<Effect.Effect<void>> => [
        ...[bus, commands].flatMap((proxy) => [
          proxy.cut,
          during(Effect.andThen(proxy.refuse, proxy.cut), proxy.accept),
          during(
            proxy.delay(() => Math.floor(random() * 200)),
            proxy.pass()
          ),
          during(proxy.stall("toServer"), proxy.pass()),
          during(proxy.stall("toClient"), proxy.pass()),
          during(proxy.drop(), proxy.pass()),
          proxy.halfClose("toClient")
        ]),
        during(process.pause, process.resume),
        during(server.pause, server.resume)
      ]
      const faults = members.flatMap(faultsOf)
      const oneAfterTheOther = Effect.forever(
        Effect.andThen(
          Effect.suspend(() => pick(faults) ?? Effect.void),
          pause
        )
      )

      yield* all((member) => member.load())
      yield* Effect.all([oneAfterTheOther, oneAfterTheOther], { concurrency: 2 }).pipe(
        Effect.timeoutOption(Stage.outage(5000, 30_000))
      )
      yield* all(({ bus, commands, resume }) =>
        Effect.all([resume, bus.pass(), bus.accept, commands.pass(), commands.accept])
      )
      yield* server.resume
      yield* Stage.until(members, Stage.isTrusting)
      yield* Effect.sleep(A_WHILE)
      yield* judge()
    })
  )
})
