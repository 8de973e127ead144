/**
 * The primaries of a cluster, and connections to them.
 *
 * Who owns what is asked of all primaries from time to time, and at once when an answer, a failure or a heartbeat shows that it has
 * changed.
 */
import { CacheError } from "@tiercache/core"
import { Deferred, Effect, Exit, Latch, Scope, Semaphore } from "effect"
import type { Redis } from "ioredis"
import * as ClusterView from "./ClusterView.ts"
import type * as plans from "./plans.ts"
import * as Server from "./Server.ts"
import { SLOTS } from "./slots.ts"

/** A primary, and what to end when it is none any more. */
export interface Node {
  member: ClusterView.Member
  readonly server: Server.Server
  readonly scope: Scope.Closeable
}

interface Nodes {
  /** Who owns what, as far as it is known. Corrections may be written into it. */
  readonly view: () => ClusterView.View
  /** In the order of the view's primaries. */
  readonly all: () => ReadonlyArray<Node>
  /** Of all nodes, in no order; the same array until there are others. */
  readonly servers: () => ReadonlyArray<Server.Server>
  /** Why there is no connection, as far as it is known. */
  readonly problem: () => string | undefined
  /** Something has changed, or is wrong: asks the nodes soon. */
  readonly poke: () => void
  /** Asks the nodes. */
  readonly refresh: Effect.Effect<void>
  /** Waits until the nodes were asked once, and a first attempt to connect to each has ended. */
  readonly attempted: Effect.Effect<void>
  /** Called when there are others than before. */
  readonly onChange: (listener: () => void) => void
  /** See `RedisConnection`. */
  readonly losses: () => number
}

const UNKNOWN: ClusterView.View = { primaries: [], owners: new Int16Array(SLOTS).fill(-1) }

/** How often the nodes are asked who owns what while nothing seems to have changed. */
const REFRESH_MILLIS = 5000

/** The same while a primary is away: how long its replacement goes unnoticed. */
const TROUBLED_REFRESH_MILLIS = 200

/** From one question to the next at least, whatever happens. */
const PAUSE_MILLIS = 100

/** A node that has not said by then what it knows is not waited for: the others know as much. */
const ANSWER_MILLIS = 250

/** Connects to all primaries, for as long as the scope is open. Does not wait for them. */
export const make = Effect.fnUntraced(function* (plan: plans.ClusterPlan, settings: Server.Options) {
  const scope = yield* Effect.scope
  const asked = Deferred.makeUnsafe<void>()
  const refreshNow = yield* Latch.make()
  let view = UNKNOWN
  let nodes: ReadonlyArray<Node> = []
  let servers: ReadonlyArray<Server.Server> = []
  let known: ReadonlyArray<plans.HostAndPort> = []
  let changed = () => {}
  let losses = 0

  const poke = () => refreshNow.openUnsafe()
  const problem = () =>
    nodes.length > 0
      ? nodes.map(({ server }) => server.problem()).find((problem) => problem !== undefined)
      : Deferred.isDoneUnsafe(asked)
        ? "no node answers"
        : undefined

  const verify = (id: string) => async (client: Redis) => {
    if ((await client.cluster("MYID")) === id) return
    poke()
    throw CacheError.make("connect", "Unavailable", "another node has its address")
  }

  const join = Effect.fnUntraced(function* (member: ClusterView.Member) {
    const child = yield* Scope.fork(scope)
    const server = yield* Server.make(plan.planOf(member), {
      ...settings,
      channel: `${settings.channel}:${member.id}`,
      verify: verify(member.id),
      onClosed: () => {
        losses++
        poke()
      }
    }).pipe(Scope.provide(child))
    const node: Node = { member, server, scope: child }
    return node
  })

  const apply = Effect.fnUntraced(function* (next: ClusterView.View) {
    const before = nodes
    const after: Array<Node> = []
    for (const member of next.primaries) {
      const same = before.find((node) => isSame(node.member, member))
      const node = same ?? (yield* join(member))
      node.member = member
      after.push(node)
    }
    view = next
    nodes = after
    const gone = before.filter((node) => !after.includes(node))
    if (gone.length > 0 || after.length > before.length) {
      servers = after.map(({ server }) => server)
      losses++
      changed()
    }
    yield* Effect.forEach(gone, (node) => Scope.close(node.scope, Exit.void), { discard: true })
  }, Effect.uninterruptible)

  const refresh = Effect.gen(function* () {
    const connected = nodes.filter(({ server }) => server.status() === "connected")
    const answers = yield* Effect.forEach(connected, ({ member, server }) => ask(server, member.host), {
      concurrency: "unbounded"
    })
    const told = answers.filter((answer) => answer !== undefined)
    // those who are connected may all have left the cluster
    const isUseful = told.flat().some(({ slots }) => slots.length > 0)
    const found = isUseful ? told : yield* askAny([...known, ...plan.seeds()])
    if (found.length === 0) return
    known = found.flat()
    yield* apply(ClusterView.merge(found))
  }).pipe(Semaphore.makeUnsafe(1).withPermits(1))

  const ask = (server: Server.Server, host: string) =>
    server
      .command("cluster", (client) => client.cluster("NODES"))
      .pipe(
        Effect.map((text) => ClusterView.parse(String(text), host)),
        Effect.timeout(ANSWER_MILLIS),
        Effect.orElseSucceed(() => undefined)
      )

  /** Asks nodes to which there is no connection; the first answer counts. */
  const askAny = (addresses: ReadonlyArray<plans.HostAndPort>) => {
    const unique = new Map(addresses.map((address) => [`${address.host}:${address.port}`, address]))
    if (unique.size === 0) return Effect.succeed([])
    const probes = [...unique.values()].map((address) =>
      Effect.acquireUseRelease(
        Effect.sync(() => plan.probe(address)),
        (client) => Effect.tryPromise(() => client.cluster("NODES")),
        (client) => Effect.sync(() => client.disconnect())
      ).pipe(
        Effect.map((text) => ClusterView.parse(String(text), address.host)),
        // one that was left out of the cluster knows nothing
        Effect.filterOrFail((members) => members.some(({ slots }) => slots.length > 0)),
        Effect.map((members) => [members])
      )
    )
    return Effect.raceAll(probes).pipe(
      Effect.timeout(plan.connectMillis),
      Effect.orElseSucceed(() => [])
    )
  }

  const isTroubled = () => nodes.length === 0 || nodes.some(({ server }) => server.status() !== "connected")
  yield* refresh.pipe(
    Effect.andThen(Effect.sync(() => Deferred.doneUnsafe(asked, Effect.void))),
    Effect.andThen(Effect.sleep(PAUSE_MILLIS)),
    Effect.andThen(
      Effect.suspend(() =>
        Effect.raceFirst(Effect.sleep(isTroubled() ? TROUBLED_REFRESH_MILLIS : REFRESH_MILLIS), refreshNow.await)
      )
    ),
    Effect.andThen(refreshNow.close),
    Effect.forever,
    (refreshes) => Effect.forkScoped(refreshes, { startImmediately: true })
  )

  const self: Nodes = {
    view: () => view,
    all: () => nodes,
    servers: () => servers,
    problem,
    poke,
    refresh,
    attempted: Effect.andThen(
      Deferred.await(asked),
      Effect.suspend(() => Effect.forEach(servers, ({ attempted }) => attempted, { discard: true }))
    ),
    onChange: (listener) => {
      changed = listener
    },
    losses: () => losses
  }
  return self
})

const isSame = (one: ClusterView.Member, other: ClusterView.Member): boolean =>
  one.id === other.id && one.host === other.host && one.port === other.port
