/**
 * A Redis, worker processes with caches over it, and between them networks that can be made to fail.
 */
import { assert } from "@effect/vitest"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { Effect, Option, type Scope } from "effect"
import * as History from "./History.ts"
import type * as Orders from "./Orders.ts"
import type * as Origin from "./Origin.ts"
import * as Process from "./Process.ts"

export const isFull = process.env.TIERCACHE_TEST_FULL === "1"

/** What is repeated with other random numbers. */
export const SEEDS = isFull ? [1, 2] : [1]

/** For a whole test: on a busy machine, its processes need seconds to start and to end. */
export const PATIENCE_MILLIS = isFull ? 300_000 : 120_000

/** The length of an outage: as long as it takes to matter, or as long as it was asked for. */
export const outage = (short: number, full: number): number => (isFull ? full : short)

/** The staleness of the caches. Outages are longer, or nothing would be seen of them. */
export const BOUND_MILLIS = 500

const COMMAND_TIMEOUT_MILLIS = 500

/** A process that was told to close has to end by itself within that time, on a slow machine. */
const EXIT_PATIENCE = "20 seconds"

/** A worker and what it does. */
export interface Worker extends Process.Process {
  /** Keys that it alone writes. */
  readonly keys: ReadonlyArray<string>
  /** Reads the keys of all members, and writes its own, until the end. */
  readonly load: (load?: Partial<typeof Orders.Load.Type>) => Effect.Effect<void, Process.ProcessError>
}

/** A worker with its ways to Redis. */
export interface Member extends Worker {
  readonly commands: TcpProxy.TcpProxy
  readonly bus: TcpProxy.TcpProxy
}

export interface Stage {
  readonly server: RedisServer.RedisServer["Service"]
  readonly members: ReadonlyArray<Member>
  /** All keys of members, and those that were added. */
  readonly keys: ReadonlyArray<string>
  /** Does something with all members at once. */
  readonly all: <E>(f: (member: Member, index: number) => Effect.Effect<unknown, E>) => Effect.Effect<void, E>
  /** Another worker, about which `judge` asks no questions. */
  readonly join: (
    name: string,
    options?: { readonly leaseMillis?: number }
  ) => Effect.Effect<Member, Process.ProcessError, Scope.Scope>
  /** Waits for quiet, looks at all keys, checks everything and ends the workers. `known` is what the dead had reported. */
  readonly judge: (known?: ReadonlyArray<History.Write>) => Effect.Effect<Verdict, Process.ProcessError>
}

export interface Verdict {
  readonly history: History.History
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
  /** What loaders ask. */
  readonly origin?: Origin.Origin | undefined
  /** How long a command may take: short, so that outages are noticed soon, unless given. */
  readonly commandTimeoutMillis?: number | undefined
  /** How far the wall clocks of members are off, by name: `"-1h"`. */
  readonly wallClocks?: Readonly<Record<string, string>> | undefined
}

/** Starts the server and a worker per name; done when all caches are open and trusted. */
export const make = Effect.fnUntraced(function* ({
  commandTimeoutMillis,
  keys = [],
  keysPerMember = 8,
  names,
  origin,
  seed,
  wallClocks
}: Options) {
  const server = yield* RedisServer.make()
  const keysOf = (name: string) => Array.from({ length: keysPerMember }, (_, index) => `${name}:${index}`)
  const allKeys = [...names.flatMap(keysOf), ...keys]

  const join = Effect.fnUntraced(function* (name: string, index: number, leaseMillis?: number) {
    const target = { target: { port: server.port } }
    const commands = yield* TcpProxy.make(target)
    const bus = yield* TcpProxy.make(target)
    const process = yield* Process.make({ name, wallClock: wallClocks?.[name], origin })
    const worker = yield* open(process, {
      redis: { url: `redis://${commands.address}`, busUrl: `redis://${bus.address}` },
      commandTimeoutMillis,
      leaseMillis,
      seed: seed * 100 + index,
      reads: allKeys,
      keys: keysOf(name)
    })
    const member: Member = { ...worker, commands, bus }
    return member
  })

  const members = yield* Effect.forEach(names, (name, index) => join(name, index), { concurrency: "unbounded" })
  const all: Stage["all"] = (f) => Effect.forEach(members, f, { concurrency: "unbounded", discard: true })
  const stage: Stage = {
    server,
    members,
    keys: allKeys,
    all,
    join: (name, options) => join(name, names.length, options?.leaseMillis),
    judge: judge(members, allKeys)
  }
  return stage
})

export interface OpenOptions extends Pick<typeof Orders.Open.Type, "redis" | "leaseMillis"> {
  readonly commandTimeoutMillis?: number | undefined
  readonly seed: number
  readonly reads: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
}

/** Opens the cache of a process; done when it is trusted. */
export const open = Effect.fnUntraced(function* (
  process: Process.Process,
  { commandTimeoutMillis = COMMAND_TIMEOUT_MILLIS, keys, leaseMillis, reads, redis, seed }: OpenOptions
) {
  yield* process.order({
    _tag: "Open",
    redis,
    stalenessMillis: BOUND_MILLIS,
    commandTimeoutMillis,
    leaseMillis
  })
  yield* process.order({ _tag: "Settle" })
  const worker: Worker = {
    ...process,
    keys,
    load: (load) =>
      process.order({
        _tag: "Load",
        seed,
        reads,
        readEveryMillis: 25,
        writes: keys,
        writeEveryMillis: 40,
        pushShare: 0.3,
        deleteShare: 0.15,
        ...load
      })
  }
  return worker
})

/** Waits until what members counted fulfils a condition. */
export const until = (members: ReadonlyArray<Worker>, condition: (stats: Orders.Stats) => boolean) =>
  Effect.forEach(members, ({ stats }) => Effect.repeat(Effect.delay(stats, "50 millis"), { until: condition }), {
    concurrency: "unbounded",
    discard: true
  })

export const isTrusting = ({ state }: Orders.Stats): boolean => state === "trusted"

/** The first two of several members. */
export const two = (members: ReadonlyArray<Member>): readonly [Member, Member] => {
  const [first, second] = members
  assert(first !== undefined && second !== undefined)
  return [first, second]
}

/** Closes the caches: nothing went unhandled, and the workers end by themselves. */
export const end = (members: ReadonlyArray<Worker>) =>
  Effect.gen(function* () {
    const ends = yield* Effect.forEach(
      members,
      (member) =>
        Effect.gen(function* () {
          const accidents = yield* member.close
          return { accidents, exit: Option.getOrUndefined(yield* Effect.timeoutOption(member.ended, EXIT_PATIENCE)) }
        }),
      { concurrency: "unbounded" }
    )
    assert.deepEqual(
      ends.flatMap(({ accidents }) => accidents),
      [],
      "nobody handled these"
    )
    assert.deepEqual(
      ends.map(({ exit }) => exit),
      members.map(() => 0),
      "exit codes of the workers"
    )
  })

/**
 * See `Stage`. `surviving` is what may be expected of the history: not what Redis itself has lost.
 */
export const judge = (
  members: ReadonlyArray<Worker>,
  keys: ReadonlyArray<string>,
  surviving: (history: History.History) => History.History = (history) => history
) =>
  Effect.fnUntraced(function* (known: ReadonlyArray<History.Write> = []) {
    const each = <A, E>(f: (member: Worker) => Effect.Effect<A, E>) =>
      Effect.forEach(members, f, { concurrency: "unbounded" })

    yield* each((member) => member.order({ _tag: "Stop" }))
    yield* Effect.sleep(BOUND_MILLIS)
    yield* each((member) => member.order({ _tag: "Settle" }))
    yield* each((member) => member.order({ _tag: "Look", keys }))
    const reports = yield* each((member) => Effect.map(member.report, (report) => ({ name: member.name, ...report })))

    const history = History.merge([...reports, { operations: known, finals: [] }])
    const violations = History.check(surviving(history), { boundMillis: BOUND_MILLIS }).map(
      ({ message, rule }) => `${rule}: ${message}`
    )
    const verdict: Verdict = {
      history,
      summary: History.summarize(history),
      stats: Object.fromEntries(reports.map(({ name, stats }) => [name, stats]))
    }
    const inBrief = JSON.stringify({ summary: verdict.summary, stats: verdict.stats })
    const held = history.finals.filter(({ fresh }) => fresh !== undefined)
    const served = held.filter(({ tier }) => tier === "l1")
    assert.strictEqual(violations.length, 0, `violations: ${violations.slice(0, 20).join("\n")}\n${inBrief}`)
    yield* end(members)
    // a cache that never trusts its L1 would pass everything above
    assert.isAtLeast(served.length, held.length / 2, `L1 serves in the end; ${inBrief}`)
    return verdict
  })
