/**
 * A Redis Cluster of a test's own: primaries and replicas on free ports of 127.0.0.1, gone with the scope.
 *
 * **Details**
 *
 * Each node is a `RedisServer`, so it can be killed, frozen and started again, upon which it takes its place in the cluster. A node
 * that was a primary is a replica when it comes back, if another one was promoted meanwhile.
 *
 * **Example**
 *
 * ```ts
 * import { RedisCluster } from "@tiercache/core/testing"
 * import { Effect } from "effect"
 *
 * const outage = Effect.gen(function* () {
 *   const cluster = yield* RedisCluster.make()
 *   const primary = yield* cluster.primaryOf("some key")
 *   yield* primary.kill
 *   yield* cluster.settled // its replica was promoted
 * }).pipe(Effect.scoped)
 * ```
 */
import { Context, Effect, Layer, Option, Schedule } from "effect"
import type { Reply } from "../internal/redisCommand.ts"
import { failure } from "../internal/redisProcess.ts"
import * as RedisServer from "./RedisServer.ts"

export interface Options {
  /** Three unless given. */
  readonly primaries?: number | undefined
  /** Of each primary; one unless given. */
  readonly replicas?: number | undefined
  /** How long a node may be silent until it counts as failed; a second unless given. */
  readonly nodeTimeoutMillis?: number | undefined
  /** More arguments of each server. */
  readonly args?: ReadonlyArray<string> | undefined
}

export type Node = RedisServer.RedisServer["Service"]

/** Slots to move, both ends included. */
export interface Move {
  readonly from: Node
  readonly to: Node
  readonly first: number
  readonly last: number
}

export class RedisCluster extends Context.Service<
  RedisCluster,
  {
    /** First those that began as primaries, then those that began as replicas. */
    readonly nodes: ReadonlyArray<Node>
    /** For clients, which may get some of them only. */
    readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>
    /** The nodes that own slots now. */
    readonly primaries: Effect.Effect<ReadonlyArray<Node>, RedisServer.RedisServerError>
    readonly primaryOf: (key: string) => Effect.Effect<Node, RedisServer.RedisServerError>
    readonly replicasOf: (primary: Node) => Effect.Effect<ReadonlyArray<Node>, RedisServer.RedisServerError>
    /** Lets a replica and its primary change places; done when all agree. No write is lost. */
    readonly failover: (replica: Node) => Effect.Effect<void, RedisServer.RedisServerError>
    /** Moves slots with their keys while clients go on, one slot after the other. */
    readonly moveSlots: (move: Move) => Effect.Effect<void, RedisServer.RedisServerError>
    /** Begins to move slots, and moves no key. */
    readonly beginMove: (move: Move) => Effect.Effect<void, RedisServer.RedisServerError>
    /** Waits until the nodes that run and answer agree, own all slots, and have replicas that are up to date if they have any. */
    readonly settled: Effect.Effect<void>
  }
>()("@tiercache/core/testing/RedisCluster") {}

const SLOTS = 16_384

const DEFAULT_NODE_TIMEOUT_MILLIS = 1000

/** Starts the nodes and joins them; done when all agree. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const { primaries = 3, replicas = 1 } = options
  const nodes = yield* Effect.forEach(
    Array.from({ length: primaries * (1 + replicas) }),
    () => RedisServer.make({ cluster: true, args: argsOf(options) }),
    { concurrency: "unbounded" }
  )
  const ids = new Map(
    yield* Effect.forEach(nodes, (node) => Effect.map(node.ask("CLUSTER", "MYID"), (id) => [String(id), node] as const))
  )
  const idOf = (node: Node) => [...ids].find(([, other]) => other === node)?.[0] ?? ""

  const viewOf = (node: Node) =>
    Effect.map(node.ask("CLUSTER", "NODES"), (reply) => parseView(reply).filter(({ id }) => ids.has(id)))
  // each node knows best about itself, and one that does not answer is known to the others
  const view = Effect.map(
    Effect.repeat(
      Effect.forEach(nodes, (node) => Effect.option(Effect.timeout(viewOf(node), VIEW_PATIENCE)), {
        concurrency: "unbounded"
      }),
      // on a busy machine it may happen that none answers in time
      { while: (answers) => answers.every(Option.isNone), times: VIEW_ATTEMPTS }
    ),
    (answers) => {
      const told = answers.flatMap((answer) => Option.getOrElse(answer, () => []))
      const known = new Map(told.toSorted(byWeight).map((member) => [member.id, member]))
      return [...known.values()]
    }
  )
  const nodesOf = (members: ReadonlyArray<Member>) => members.flatMap(({ id }) => ids.get(id) ?? [])
  const ownersIn = (members: ReadonlyArray<Member>) => nodesOf(members.filter(({ slots }) => slots.length > 0))

  const settled = Effect.gen(function* () {
    const running = nodes.filter(({ isRunning }) => isRunning())
    const answers = yield* Effect.forEach(
      running,
      (node) => Effect.option(Effect.timeout(stateOf(node), STATE_PATIENCE)),
      {
        concurrency: "unbounded"
      }
    )
    const states = answers.flatMap((answer) => (answer._tag === "Some" ? [answer.value] : []))
    const isComplete = states.length > 0 && states.every(({ isReady }) => isReady)
    return isComplete && new Set(states.map(({ shape }) => shape)).size === 1
  }).pipe(Effect.delay("20 millis"), Effect.repeat({ until: (holds) => holds }), Effect.asVoid)

  const beginSlot = (from: Node, to: Node, slot: number) =>
    Effect.andThen(
      to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", idOf(from)),
      from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", idOf(to))
    )
  const moveSlot = Effect.fnUntraced(function* (from: Node, to: Node, slot: number) {
    yield* beginSlot(from, to, slot)
    for (;;) {
      const keys = textsOf(yield* from.ask("CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE))
      if (keys.length === 0) break
      yield* from.ask("MIGRATE", "127.0.0.1", to.port, "", 0, MIGRATE_MILLIS, "KEYS", ...keys)
    }
    // first the new owner: the old one would else hand the slot to nobody if it was asked in between
    for (const node of [to, from]) yield* node.ask("CLUSTER", "SETSLOT", slot, "NODE", idOf(to))
  })
  /** The epoch of a node, as it or another one knows it. */
  const epochOf = (node: Node, asked: Node) =>
    Effect.map(viewOf(asked), (members) => members.find(({ id }) => id === idOf(node))?.epoch)
  const eachSlot =
    (f: (from: Node, to: Node, slot: number) => Effect.Effect<unknown, RedisServer.RedisServerError>) =>
    ({ first, from, last, to }: Move) =>
      // a new owner that does not know the epoch of the old one does not surpass it, and then nobody has the slot
      Effect.zipWith(epochOf(from, from), epochOf(from, to), (own, known) => own === known).pipe(
        Effect.delay("10 millis"),
        Effect.repeat({ until: (agree) => agree }),
        Effect.andThen(
          Effect.forEach(
            Array.from({ length: last - first + 1 }, (_, index) => first + index),
            (slot) => f(from, to, slot),
            { discard: true }
          )
        )
      )

  yield* join(nodes, primaries, idOf)
  yield* settled

  return RedisCluster.of({
    nodes,
    addresses: nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
    primaries: Effect.map(view, ownersIn),
    primaryOf: Effect.fnUntraced(function* (key) {
      const slot = Number(yield* Effect.raceAll(nodes.map((node) => node.ask("CLUSTER", "KEYSLOT", key))))
      const find = Effect.map(view, (members) => {
        const owners = members.filter(({ slots }) => slots.some(([a, b]) => a <= slot && slot <= b))
        return nodesOf(owners.toSorted((one, other) => other.epoch - one.epoch))[0]
      })
      // while a slot passes from one to the other, the nodes may not know of it for a moment
      const attempts = {
        while: (owner: unknown) => owner === undefined,
        times: 100,
        schedule: Schedule.spaced("10 millis")
      }
      return (yield* Effect.repeat(find, attempts)) ?? (yield* failure(`nobody owns slot ${slot}`))
    }),
    replicasOf: (primary) =>
      Effect.map(view, (members) => nodesOf(members.filter(({ primaryId }) => primaryId === idOf(primary)))),
    failover: (replica) =>
      replica
        .ask("CLUSTER", "FAILOVER")
        .pipe(
          Effect.andThen(
            Effect.repeat(Effect.delay(view, "20 millis"), { until: (members) => ownersIn(members).includes(replica) })
          ),
          Effect.andThen(settled)
        ),
    moveSlots: eachSlot(moveSlot),
    beginMove: eachSlot(beginSlot),
    settled
  })
})

/** One cluster for all tests that share the layer. */
export const layer = (options?: Options): Layer.Layer<RedisCluster, RedisServer.RedisServerError> =>
  Layer.effect(RedisCluster, make(options))

/** For a node that is frozen, to be told from one that is slow. */
const VIEW_PATIENCE = "250 millis"
const VIEW_ATTEMPTS = 20

/** The same for three questions, of which a node that is slow must not be left out. */
const STATE_PATIENCE = "2 seconds"

const KEYS_AT_ONCE = 100
const MIGRATE_MILLIS = 5000

const argsOf = ({ args = [], nodeTimeoutMillis = DEFAULT_NODE_TIMEOUT_MILLIS }: Options): ReadonlyArray<string> => [
  "--cluster-node-timeout",
  String(nodeTimeoutMillis),
  // a replica stays with its primary, and may be promoted however long it was without it
  ..."--cluster-migration-barrier 100 --cluster-replica-validity-factor 0".split(" "),
  ...args
]

/** Makes a cluster of nodes that know nothing of each other. */
const join = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>, primaries: number, idOf: (node: Node) => string) {
  const perPrimary = Math.ceil(SLOTS / primaries)
  const owners = nodes.slice(0, primaries)
  for (const [index, node] of nodes.entries()) {
    yield* node.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
    const slots = Array.from({ length: perPrimary }, (_, slot) => index * perPrimary + slot).filter(
      (slot) => slot < SLOTS
    )
    if (index < primaries) yield* node.ask("CLUSTER", "ADDSLOTS", ...slots)
  }
  for (const [index, node] of nodes.entries()) {
    // all meet all: gossip alone takes seconds
    for (const { port } of nodes.slice(index + 1)) yield* node.ask("CLUSTER", "MEET", "127.0.0.1", port)
  }
  for (const [index, node] of nodes.slice(primaries).entries()) {
    const primary = owners[index % primaries]
    if (primary === undefined) continue
    // refused until the two have met
    yield* Effect.retry(Effect.delay(node.ask("CLUSTER", "REPLICATE", idOf(primary)), "20 millis"), { times: 500 })
  }
})

/** A node as another one sees it. */
interface Member {
  readonly id: string
  readonly isFailed: boolean
  readonly primaryId: string
  readonly epoch: number
  /** Whether it tells about itself. */
  readonly isSelf: boolean
  readonly slots: ReadonlyArray<readonly [first: number, last: number]>
}

const byWeight = (one: Member, other: Member): number =>
  Number(one.isSelf) - Number(other.isSelf) || one.epoch - other.epoch

/** Reads what `CLUSTER NODES` answers, see https://redis.io/docs/latest/commands/cluster-nodes/. */
const parseView = (reply: Reply): ReadonlyArray<Member> =>
  String(reply)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", , flags = "", primaryId = "", , , epoch = "", , ...slots] = line.split(" ")
      const ranges = slots.filter((range) => !range.startsWith("["))
      return {
        id,
        isFailed: flags.split(",").some((flag) => flag === "fail" || flag === "fail?"),
        primaryId,
        epoch: Number(epoch),
        isSelf: flags.includes("myself"),
        slots: ranges.map((range) => {
          const [first = NaN, last = first] = range.split("-").map(Number)
          return [first, last] as const
        })
      }
    })

/** What a node thinks of the cluster, and whether that is well. */
const stateOf = Effect.fnUntraced(function* (node: Node) {
  const members = parseView(yield* node.ask("CLUSTER", "NODES"))
  const cluster = String(yield* node.ask("CLUSTER", "INFO"))
  const replication = String(yield* node.ask("INFO", "replication"))
  const owners = members.filter(({ slots }) => slots.length > 0)
  const owned = owners.flatMap(({ slots }) => slots).reduce((sum, [first, last]) => sum + last - first + 1, 0)
  const isLinked = !replication.includes("role:slave") || replication.includes("master_link_status:up")
  return {
    isReady:
      cluster.includes("cluster_state:ok") && owned === SLOTS && isLinked && owners.every(({ isFailed }) => !isFailed),
    shape: members
      .map(({ id, primaryId, slots }) => `${id} ${primaryId} ${slots.join(" ")}`)
      .toSorted()
      .join("; ")
  }
})

const textsOf = (reply: Reply): ReadonlyArray<string> =>
  (typeof reply === "object" && reply !== null ? reply : []).map(String)
