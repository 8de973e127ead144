/**
 * The bus over Redis pub/sub.
 *
 * **Details**
 *
 * Messages are published by the scripts that write, on the connection for commands; this is the receiving end, with a
 * connection of its own that is made when the first listener comes. Redis does not repeat what a subscriber missed, so
 * listeners are told when the connection was interrupted. Heartbeats go the same way, by a script that a replica refuses.
 *
 * With a tracked prefix there is a second connection, on which Redis tells what anybody wrote below it (`internal/tracking`). Both
 * have to be connected for the bus to be, and a heartbeat is heard when it has come over both.
 *
 * Pub/sub knows no databases: everybody on a channel of a server hears everything there.
 */
import type { Invalidation, MonotonicClock } from "@tiercache/core"
import { Effect, Scope } from "effect"
import * as BusMessage from "./BusMessage.ts"
import { BusConnection, type Handlers, type Status } from "./internal/BusConnection.ts"
import * as tracking from "./internal/tracking.ts"
import * as deadlines from "./internal/deadlines.ts"
import * as scripts from "./internal/scripts.ts"
import type * as RedisClock from "./RedisClock.ts"
import type * as RedisConnection from "./RedisConnection.ts"

export interface RedisBus {
  readonly invalidation: Invalidation.Invalidation["Service"]
  readonly channel: string
  /** Calls the listener for changes of the store only. */
  readonly subscribeToChanges: Invalidation.Invalidation["Service"]["subscribe"]
  /** `idle` until somebody listens. */
  readonly status: () => Status
  /** Why it is not connected, as far as it is known. */
  readonly problem: () => string | undefined
}

export interface Options {
  readonly channel: string
  /** See `RedisBackend.Options`. */
  readonly trackedPrefix: string | undefined
}

interface Subscription {
  readonly listener: Invalidation.Listener
  readonly changesOnly: boolean
}

/** Makes the bus of a connection; it closes with the scope. */
export const make = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  clock: RedisClock.RedisClock,
  now: MonotonicClock.Now,
  { channel, trackedPrefix }: Options
) {
  const scope = yield* Effect.scope
  const origin = BusMessage.makeOrigin()
  // apart from the messages, because nobody else wants to hear them; order is kept between channels of one connection
  const heartbeatChannel = `${channel}:heartbeat:${origin}`
  const subscriptions = new Set<Subscription>()
  const tell = (notify: (listener: Invalidation.Listener) => void) => {
    for (const { listener } of subscriptions) notify(listener)
  }

  const isConnected = () => connections.every(({ status }) => status === "connected")
  const onConnected = () => {
    if (isConnected()) tell((listener) => listener.onConnected())
  }

  /** The last heartbeat that each connection brought: what all have brought is heard. */
  const heard: Array<number> = []
  const onDisconnected = () => {
    heard.fill(0)
    tell((listener) => listener.onDisconnected())
  }
  const onHeartbeat = (index: number, id: number) => {
    // a connection brings data before all is subscribed, and after it was given up; then a heartbeat proves nothing
    if (!isConnected()) return
    const before = Math.min(...heard)
    heard[index] = id
    const after = Math.min(...heard)
    if (after > before) tell((listener) => listener.onHeartbeat?.(after))
  }

  const onBusMessage = (payload: unknown) => {
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.alloc(0)
    const { isChange, keys, kind, origin, pushed, sentAt, writeId } = BusMessage.decode(bytes)
    const message: Invalidation.Message = {
      origin,
      kind,
      keys,
      writeId: writeId === 0 ? undefined : writeId,
      pushed: pushed?.map((entry) => ({ ...entry, ...deadlines.toMonotonic(clock, entry) })),
      ageMillis: Number.isNaN(sentAt) ? undefined : clock.toRedis(now()) - sentAt
    }
    for (const { changesOnly, listener } of subscriptions) if (isChange || !changesOnly) listener.onMessage(message)
  }

  const onTrackingMessage = (payload: unknown) => {
    const message = tracking.messageOf(payload)
    for (const { changesOnly, listener } of subscriptions) if (!changesOnly) listener.onMessage(message)
  }

  const makeConnection = (index: number, prepare: Handlers["prepare"], onMessage: (payload: unknown) => void) => {
    heard[index] = 0
    return new BusConnection({
      prepare,
      onMessage: (channel, payload) => {
        if (channel === heartbeatChannel) onHeartbeat(index, Number(String(payload)))
        else onMessage(payload)
      },
      onConnected,
      onDisconnected
    })
  }

  const connections = [
    makeConnection(0, (client) => client.subscribe(channel, heartbeatChannel), onBusMessage),
    ...(trackedPrefix === undefined
      ? []
      : [makeConnection(1, (client) => tracking.start(client, trackedPrefix, heartbeatChannel), onTrackingMessage)])
  ]

  const open = (bus: BusConnection) =>
    Effect.tap(connection.makeBusClient, (client) =>
      Effect.andThen(
        Effect.sync(() => bus.follow(client)),
        Effect.forkIn(bus.watch(client), scope)
      )
    )
  const start = yield* Effect.cached(
    Effect.forEach(connections, open, { discard: true }).pipe(Scope.provide(scope), Effect.uninterruptible)
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
    channel,
    subscribeToChanges: (listener) => subscribe(listener, true),
    status: () => connections.find(({ status }) => status !== "connected")?.status ?? "connected",
    problem: () => connections.find(({ problem }) => problem !== undefined)?.problem,
    invalidation: {
      origin,
      subscribe: (listener) => subscribe(listener, false),
      heartbeat: (id) =>
        Effect.suspend(() =>
          Effect.asVoid(
            scripts.run(
              connection,
              connection.deadline(),
              "heartbeat",
              scripts.heartbeat,
              [heartbeatChannel],
              [heartbeatChannel, id]
            )
          )
        ),
      reconnect: Effect.sync(() => {
        for (const bus of connections) bus.drop("it brought nothing, and is replaced")
      })
    }
  }
  return bus
})
