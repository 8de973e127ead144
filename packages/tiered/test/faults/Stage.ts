/**
 * A Redis, worker processes with caches over it, and between them networks that can be made to fail.
 */
import { assert } from "@effect/vitest"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as History from "./History.ts"
import type * as Orders from "./Orders.ts"
import * as Process from "./Process.ts"

export const isFull = process.env.TIERCACHE_TEST_FULL === "1"

/** The staleness of the caches. Outages are longer, or nothing would be seen of them. */
export const BOUND_MILLIS = 500

const COMMAND_TIMEOUT_MILLIS = 500

/** A process that was told to close has to end by itself within that time, on a slow machine. */
const EXIT_PATIENCE = "5 seconds"

/** A worker with its ways to Redis. */
export interface Member extends Process.Process {
  readonly commands: TcpProxy.TcpProxy
  readonly bus: TcpProxy.TcpProxy
  /** Keys that it alone writes. */
  readonly keys: ReadonlyArray<string>
  /** Reads the keys of all members, and writes its own, until the end. */
  readonly load: (load?: Partial<typeof Orders.Load.Type>) => Effect.Effect<void, Process.ProcessError>
}

export interface Stage {
  readonly server: RedisServer.RedisServer["Service"]
  readonly members: ReadonlyArray<Member>
  /** All keys of members, and those that were added. */
  readonly keys: ReadonlyArray<string>
  /** Does something with all members at once. */
  readonly all: <E>(f: (member: Member, index: number) => Effect.Effect<unknown, E>) => Effect.Effect<void, E>
  /** Waits for quiet, looks at all keys, checks everything and ends the workers. */
  readonly judge: Effect.Effect<Verdict, Process.ProcessError>
}

export interface Verdict {
  readonly summary: History.Summary
  /** By name of the member. */
  readonly stats: Readonly<Record<string, Orders.Stats>>
}

export interface Options {
  readonly names: ReadonlyArray<string>
  readonly seed: number
  /** Keys beside those that each member has. */
  readonly keys?: ReadonlyArray<string> | undefined
  readonly keysPerMember?: number | undefined
}

/** Starts the server and a worker per name; done when all caches are open and trusted. */
export const make = Effect.fnUntraced(function* ({ keys = [], keysPerMember = 8, names, seed }: Options) {
  const server = yield* RedisServer.make()
  const keysOf = (name: string) => Array.from({ length: keysPerMember }, (_, index) => `${name}:${index}`)
  const allKeys = [...names.flatMap(keysOf), ...keys]

  const join = Effect.fnUntraced(function* (name: string, index: number) {
    const target = { target: { port: server.port } }
    const commands = yield* TcpProxy.make(target)
    const bus = yield* TcpProxy.make(target)
    const process = yield* Process.make(name)
    yield* process.order({
      _tag: "Open",
      url: `redis://${commands.address}`,
      busUrl: `redis://${bus.address}`,
      stalenessMillis: BOUND_MILLIS,
      commandTimeoutMillis: COMMAND_TIMEOUT_MILLIS
    })
    yield* process.order({ _tag: "Settle" })
    const member: Member = {
      ...process,
      commands,
      bus,
      keys: keysOf(name),
      load: (load) =>
        process.order({
          _tag: "Load",
          seed: seed * 100 + index,
          reads: allKeys,
          readEveryMillis: 10,
          writes: keysOf(name),
          writeEveryMillis: 20,
          pushShare: 0.3,
          deleteShare: 0.15,
          ...load
        })
    }
    return member
  })

  const members = yield* Effect.forEach(names, join, { concurrency: "unbounded" })
  const all: Stage["all"] = (f) => Effect.forEach(members, f, { concurrency: "unbounded", discard: true })
  const stage: Stage = { server, members, keys: allKeys, all, judge: judge(members, allKeys) }
  return stage
})

const judge = Effect.fnUntraced(function* (members: ReadonlyArray<Member>, keys: ReadonlyArray<string>) {
  const each = <A, E>(f: (member: Member) => Effect.Effect<A, E>) =>
    Effect.forEach(members, f, { concurrency: "unbounded" })

  yield* each((member) => member.order({ _tag: "Stop" }))
  yield* Effect.sleep(BOUND_MILLIS)
  yield* each((member) => member.order({ _tag: "Settle" }))
  yield* each((member) => member.order({ _tag: "Look", keys }))
  const reports = yield* each((member) => member.report)
  const codes = yield* each((member) =>
    Effect.andThen(member.order({ _tag: "Close" }), Effect.timeoutOption(member.ended, EXIT_PATIENCE))
  )

  const history = History.merge(reports)
  const verdict: Verdict = {
    summary: History.summarize(history),
    stats: Object.fromEntries(members.map(({ name }, index) => [name, statsOf(reports[index])]))
  }
  const violations = History.check(history, { boundMillis: BOUND_MILLIS })
  const context = JSON.stringify(verdict)
  assert.deepEqual(violations.slice(0, 10), [], `${violations.length} violations; ${context}`)
  assert.deepEqual(reports.flatMap(({ accidents }) => accidents), [], "rejections and exceptions that nobody handled")
  assert.deepEqual(codes.map((code) => code.pipe(Option.getOrElse(() => "still running"))), members.map(() => 0), "exit codes")
  assert.isTrue(history.finals.every(({ tier, fresh }) => (tier === "l1") === (fresh !== undefined)), `L1 is used; ${context}`)
  return verdict
})
