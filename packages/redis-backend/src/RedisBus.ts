/**
 * The bus over Redis pub/sub.
 *
 * **Details**
 *
 * Messages are published by the scripts that write, on the connection for commands; this is the receiving end, with
 * connections of its own that are made when the first listener comes. Redis does not repeat what a subscriber missed, so
 * listeners are told when a connection was interrupted. Heartbeats go the same way, by a script that a replica refuses.
 *
 * In a cluster there is a connection to each primary, and a channel for each: what is written on a primary is published there, on its
 * channel, and heard over the connection to it, in order with the heartbeats that were sent to it. (Redis spreads what is published
 * to all nodes, but in no order with what they publish themselves.) All have to be connected for the bus to be; a heartbeat
 * is heard when it has come from all, and they own all slots at that time. When the primaries are not the same as before,
 * listeners are told that the bus was interrupted: who is promoted may lack what was acknowledged before.
 *
 * With a tracked prefix there is one more connection to each server, on which Redis tells what anybody wrote below it
 * (`internal/tracking`).
 *
 * Pub/sub knows no databases: everybody on a channel of a server hears everything there.
 */
import type { Invalidation, MonotonicClock } from "@tiercache/core"
import { Effect, Exit, Latch, Scope } from "effect"
import type { Redis } from "ioredis"
import * as BusMessage from "./BusMessage.ts"
import { BusConnection, type Status } from "./internal/BusConnection.ts"
import * as deadlines from "./internal/deadlines.ts"
import * as heartbeats from "./internal/heartbeats.ts"
import type { Server } from "./internal/Server.ts"
import * as tracking from "./internal/tracking.ts"
import type * as RedisClock from "./RedisClock.ts"
import type * as RedisConnection from "./RedisConnection.ts"

export interface RedisBus {
  readonly invalidation: Invalidation.Invalidation["Service"]
  /** Calls the listener for changes of the store only. */
  readonly subscribeToChanges: Invalidation.Invalidation["Service"]["subscribe"]
  /** `idle` until somebody listens. */
  readonly status: () => Status
  /** Why it is not connected, as far as it is known. */
  readonly problem: () => string | undefined
  /** How often it was heard, by whoever listens, that all keys are gone. */
  readonly flushes: () => number
}

interface Subscription {
  readonly listener: Invalidation.Listener
  readonly changesOnly: boolean
}

/** A server, and how this process hears of it. */
interface Member {
  readonly server: Server
  readonly connections: ReadonlyArray<BusConnection>
  /** The last heartbeat that each connection brought: what all have brought is heard. */
  readonly heard: Array<number>
  /** What was in it beside its number. */
  echo: string
  readonly scope: Scope.Closeable
}

/** Makes the bus of a connection; it closes with the scope. */
export const make = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  now: MonotonicClock.Now,
  /** See `RedisBackend.Options`. */
  trackedPrefix: string | undefined
) {
  const scope = yield* Effect.scope
  const origin = BusMessage.makeOrigin()
  // apart from the messages, because nobody else wants to hear them; order is kept between channels of one connection
  const heartbeatChannel = ({ channel }: Server) => `${channel}:heartbeat:${origin}`
  const subscriptions = new Set<Subscription>()
  const tell = (notify: (listener: Invalidation.Listener) => void) => {
    for (const { listener } of subscriptions) notify(listener)
  }

  let members: ReadonlyArray<Member> = []
  /** Whether the members are the servers that there are. */
  let isComplete = false
  const connections = () => members.flatMap(({ connections }) => connections)
  const isConnected = () =>
    isComplete && members.length > 0 && connections().every(({ status }) => status === "connected")
  const onConnected = () => {
    if (isConnected()) tell((listener) => listener.onConnected())
  }
  const onDisconnected = () => {
    for (const { heard } of members) heard.fill(0)
    tell((listener) => listener.onDisconnected())
  }

  const lastHeard = () => Math.min(...members.flatMap(({ heard }) => heard))
  const onHeartbeat = (member: Member, index: number, payload: string) => {
    // a connection brings data before all is subscribed, and after it was given up; then a heartbeat proves nothing
    if (!isConnected()) return
    const { id, rest } = heartbeats.parse(payload)
    const before = lastHeard()
    member.heard[index] = id
    member.echo = rest
    const after = lastHeard()
    if (after <= before || !connection.isWhole(members.map(({ echo }) => echo))) return
    tell((listener) => listener.onHeartbeat?.(after))
  }

  let flushes = 0
  const onBusMessage = ({ clock }: Server, payload: unknown) => {
    for (const message of BusMessage.decodeAll(Buffer.isBuffer(payload) ? payload : Buffer.alloc(0))) {
      onOneMessage(clock, message)
    }
  }

  const onOneMessage = (
    clock: RedisClock.RedisClock,
    { isChange, keys, kind, origin, pushed, sentAt, writeId }: BusMessage.BusMessage
  ) => {
    const message: Invalidation.Message = {
      origin,
      kind,
      keys,
      writeId: writeId === 0 ? undefined : writeId,
      pushed: pushed?.map((entry) => ({ ...entry, ...deadlines.toMonotonic(clock, entry) })),
      ageMillis: Number.isNaN(sentAt) ? undefined : clock.toRedis(now()) - sentAt
    }
    if (kind === "flush") flushes++
    for (const { changesOnly, listener } of subscriptions) if (isChange || !changesOnly) listener.onMessage(message)
  }

  const onTrackingMessage = (payload: unknown) => {
    const message = tracking.messageOf(payload)
    if (message.kind === "flush") flushes++
    for (const { changesOnly, listener } of subscriptions) if (!changesOnly) listener.onMessage(message)
  }

  /** How a server is listened to. */
  const waysTo = (server: Server, heartbeat: string) => [
    {
      prepare: (client: Redis): Promise<unknown> => client.subscribe(server.channel, heartbeat),
      onMessage: (payload: unknown) => onBusMessage(server, payload)
    },
    ...(trackedPrefix === undefined
      ? []
      : [
          {
            prepare: (client: Redis): Promise<unknown> => tracking.start(client, trackedPrefix, heartbeat),
            onMessage: onTrackingMessage
          }
        ])
  ]

  const join = Effect.fnUntraced(function* (server: Server) {
    const heartbeat = heartbeatChannel(server)
    const connections = waysTo(server, heartbeat).map(
      ({ onMessage, prepare }, index) =>
        new BusConnection({
          prepare: async (client) => {
            await server.verify(client)
            await prepare(client)
          },
          onMessage: (channel, payload) => {
            if (channel === heartbeat) onHeartbeat(member, index, String(payload))
            else onMessage(payload)
          },
          onConnected,
          onDisconnected
        })
    )
    const member: Member = {
      server,
      connections,
      heard: connections.map(() => 0),
      echo: "",
      scope: yield* Scope.fork(scope)
    }
    server.onReplaced(() => connections.forEach((bus) => bus.drop("the server was replaced")))
    yield* Effect.forEach(
      connections,
      (bus) =>
        Effect.tap(server.makeBusClient, (client) =>
          Effect.andThen(
            Effect.sync(() => bus.follow(client)),
            Effect.forkScoped(bus.watch(client))
          )
        ),
      { discard: true }
    ).pipe(Scope.provide(member.scope))
    return member
  })

  /** Listens to the servers that there are now, and to no others. */
  const follow = Effect.suspend(() => {
    const servers = connection.servers()
    const gone = members.filter(({ server }) => !servers.includes(server))
    for (const { connections } of gone) connections.forEach((bus) => bus.leave())
    return Effect.forEach(gone, (member) => Scope.close(member.scope, Exit.void)).pipe(
      Effect.andThen(
        Effect.forEach(servers, (server) => {
          const member = members.find((member) => member.server === server)
          return member === undefined ? join(server) : Effect.succeed(member)
        })
      ),
      Effect.map((all) => {
        members = all
        isComplete = servers === connection.servers()
        onConnected()
      })
    )
  }).pipe(Effect.uninterruptible)

  const serversChanged = yield* Latch.make()
  connection.onChange(() => {
    // at once: whoever is new may be written to already
    if (isConnected()) onDisconnected()
    isComplete = false
    serversChanged.openUnsafe()
  })
  const start = yield* Effect.cached(
    Effect.andThen(
      follow,
      Effect.forkIn(
        Effect.forever(serversChanged.await.pipe(Effect.andThen(serversChanged.close), Effect.andThen(follow))),
        scope
      )
    ).pipe(Effect.uninterruptible)
  )

  const subscribe = (listener: Invalidation.Listener, changesOnly: boolean) =>
    Effect.acquireRelease(
      Effect.andThen(start, () =>
        Effect.sync(() => {
          const subscription = { listener, changesOnly }
          subscriptions.add(subscription)
          if (isConnected()) listener.onConnected()
          return subscription
        })
      ),
      (subscription) => Effect.sync(() => subscriptions.delete(subscription))
    )

  const bus: RedisBus = {
    subscribeToChanges: (listener) => subscribe(listener, true),
    status: () => {
      const [unconnected] = connections().filter(({ status }) => status !== "connected")
      return unconnected?.status ?? (isConnected() ? "connected" : "idle")
    },
    problem: () => connections().find(({ problem }) => problem !== undefined)?.problem,
    flushes: () => flushes,
    invalidation: {
      origin,
      subscribe: (listener) => subscribe(listener, false),
      heartbeat: (id) =>
        Effect.suspend(() =>
          Effect.forEach(connection.servers(), (server) => connection.beat(server, heartbeatChannel(server), id), {
            concurrency: "unbounded",
            discard: true
          })
        ),
      reconnect: Effect.sync(() => {
        for (const bus of connections()) bus.drop("it brought nothing, and is replaced")
      })
    }
  }
  return bus
})
