/**
 * The way to the primaries of a cluster.
 *
 * Each primary has a connection of its own, with the clock of that server. So a command is made for the server that gets it, and
 * made again for the next if that one has moved the slot; and a server that is frozen or dead fails its own commands quickly
 * and no others. ioredis' `Cluster` would send the same bytes to whoever has the slot by then, and makes commands wait for a
 * failover for seconds.
 */
import { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import * as ClusterView from "./ClusterView.ts"
import * as heartbeats from "./heartbeats.ts"
import * as Nodes from "./Nodes.ts"
import * as plans from "./plans.ts"
import * as redirection from "./redirection.ts"
import * as redisError from "./redisError.ts"
import type { Routing } from "./Routing.ts"
import type * as Server from "./Server.ts"
import { SLOTS, slotOf } from "./slots.ts"

/** A command, and who has its key at any time. */
interface Request<A> {
  readonly operation: string
  readonly find: () => Server.Server | undefined
  readonly send: Server.Send<A>
  readonly how: RedisConnection.How
}

/** Nodes that hear of a move one after the other may send a command to and fro until all have. */
const MAX_REDIRECTIONS = 16

/** How much longer each redirection waits than the one before; the first does not. */
const REDIRECTION_MILLIS = 5

/** How soon keys that are partly moved are tried again. */
const AGAIN_MILLIS = 20

/** Connects to all primaries, for as long as the scope is open. Does not wait for them. */
export const make = Effect.fnUntraced(function* (plan: plans.ClusterPlan, settings: Server.Options) {
  const { commandMillis, endpoint } = plan
  const { now } = settings
  const nodes = yield* Nodes.make(plan, settings)

  const ownerOf = (slot: number | undefined): Server.Server | undefined =>
    slot === undefined ? undefined : nodes.all()[nodes.view().owners[slot] ?? -1]?.server
  // who knows who has the slot, if we do not
  const anyServer = () => nodes.servers().find(({ status }) => status() === "connected") ?? nodes.servers()[0]

  const noServer = (operation: string) => {
    nodes.poke()
    return Effect.fail(redisError.notConnected(operation, endpoint, nodes.problem()))
  }

  /** What failed for want of a connection may find another one soon. */
  const failed = (error: CacheError.CacheError) => {
    if (error.reason === "Unavailable" || error.reason === "Timeout") nodes.poke()
    return Effect.fail(error)
  }

  const command: Routing["command"] = (operation, key, send, how = "whole") =>
    Effect.suspend(() => {
      const slot = key === undefined ? undefined : slotOf(key)
      const find = () => ownerOf(slot) ?? anyServer()
      const server = find()
      if (server === undefined) return noServer(operation)
      const deadline = now() + commandMillis
      const request = { operation, find, send, how }
      return server
        .attempt(operation, send, false, how === "joined")
        .pipe(
          Effect.catch((failure) =>
            failure._tag === "CacheError"
              ? failed(failure)
              : plans.within(deadline - now(), operation, endpoint, follow(request, server, failure, 0))
          )
        )
    })

  const follow = <A>(
    request: Request<A>,
    asked: Server.Server,
    to: redirection.Redirection,
    times: number
  ): Effect.Effect<A, CacheError.CacheError> => {
    const { find, how, operation, send } = request
    nodes.poke()
    if (times >= MAX_REDIRECTIONS) return Effect.fail(tooMany(operation, endpoint))
    if (how === "divisible" && to.kind === "again") return Effect.fail(redirection.keysApart(operation))
    const target =
      to.kind === "again"
        ? Effect.delay(
            Effect.suspend(() => Effect.succeed(find() ?? asked)),
            AGAIN_MILLIS
          )
        : Effect.map(Effect.delay(nodeAt(to.address, asked), times * REDIRECTION_MILLIS), (node) => {
            if (to.kind === "moved") nodes.view().owners[to.slot] = nodes.all().indexOf(node)
            return node.server
          })
    return Effect.flatMap(target, (server) =>
      server.attempt(operation, send, to.kind === "ask", how === "joined" && to.kind !== "ask").pipe(
        Effect.catch((failure) =>
          failure._tag === "Redirection"
            ? // who is tried again may have been redirected each time
              follow(request, server, failure, to.kind === "again" ? 0 : times + 1)
            : failed(failure)
        )
      )
    )
  }

  /** The node that another one has named, once it is known and a connection was tried. */
  const nodeAt = (
    { host, port }: { readonly host: string | undefined; readonly port: number },
    asked: Server.Server
  ) => {
    const name = host ?? nodes.all().find(({ server }) => server === asked)?.member.host
    const isIt = ({ member }: Nodes.Node) => member.port === port && (member.host === name || member.hostname === name)
    const find = Effect.sync(() => nodes.all().find(isIt))
    const found = Effect.flatMap(find, (node) =>
      node === undefined
        ? Effect.repeat(Effect.delay(find, POLL_MILLIS), { until: (node) => node !== undefined })
        : Effect.succeed(node)
    )
    return Effect.tap(found, ({ server }) => server.attempted)
  }

  const keys = new WeakMap<Nodes.Node, { readonly key: string; readonly slot: number }>()

  /** A key in a slot that the node owns and does not move; a primary without slots has none. */
  const heartbeatKey = (node: Nodes.Node): string | undefined => {
    const { owners } = nodes.view()
    const place = nodes.all().indexOf(node)
    const isGood = (slot: number) => owners[slot] === place && !node.member.moving.includes(slot)
    const known = keys.get(node)
    if (known !== undefined && isGood(known.slot)) return known.key
    for (let attempt = 0; owners.includes(place) && attempt < KEY_ATTEMPTS; attempt++) {
      const key = `${settings.channel}:heartbeat:${attempt}`
      const slot = slotOf(key)
      if (!isGood(slot)) continue
      keys.set(node, { key, slot })
      return key
    }
    return undefined
  }

  const beat: Routing["beat"] = (server, channel, id) =>
    Effect.suspend(() => {
      const node = nodes.all().find((node) => node.server === server)
      if (node === undefined) return Effect.void
      const key = heartbeatKey(node)
      const keys = key === undefined ? [] : [key]
      return Effect.tapError(heartbeats.send(server, heartbeats.withSlots, keys, [channel, id]), () =>
        Effect.sync(nodes.poke)
      )
    })

  const routing: Routing = {
    status: () => (nodes.servers().some(({ status }) => status() === "connected") ? "connected" : "connecting"),
    problem: nodes.problem,
    breakerState: () => {
      const states = nodes.servers().map(({ breakerState }) => breakerState())
      return WORST_FIRST.find((state) => states.includes(state)) ?? "off"
    },
    attempted: nodes.attempted,
    command,
    isCluster: true,
    partOf: (key) => {
      const slot = slotOf(key)
      // while a slot moves, some of its keys may be here and others there
      return nodes.all()[nodes.view().owners[slot] ?? -1]?.member.moving.includes(slot) === true ? key : slot
    },
    servers: nodes.servers,
    layout: (operation) =>
      Effect.flatMap(nodes.refresh, () => {
        if (nodes.all().length === 0) return noServer(operation)
        return Effect.succeed(
          nodes.all().map(({ member: { id, moving, slots }, server }) => ({
            server,
            owned: `${id} ${slots.join(" ")}`,
            isMoving: moving.length > 0
          }))
        )
      }),
    onChange: nodes.onChange,
    losses: nodes.losses,
    beat,
    isWhole: (echoes) => {
      const selves = echoes.flatMap((line) => ClusterView.parseLine(line, "") ?? [])
      const isWhole = selves.length === nodes.all().length && ClusterView.isCovered(nodes.view(), selves)
      if (!isWhole) nodes.poke()
      return isWhole
    }
  }
  return routing
})

const WORST_FIRST = ["open", "half-open", "closed"] as const

/** How often it is looked whether a node is known by now. */
const POLL_MILLIS = 5

/** So many names hit each slot with a probability of one minus 1e-7. */
const KEY_ATTEMPTS = 16 * SLOTS

const tooMany = (operation: string, endpoint: string) =>
  CacheError.make(operation, "Unavailable", `the nodes of the ${endpoint} do not agree who has the key`)
