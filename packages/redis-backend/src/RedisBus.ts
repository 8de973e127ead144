/**
 * The bus over Redis pub/sub.
 *
 * **Details**
 *
 * Messages are published by the scripts that write, on the connection for commands; this is the receiving end, with a
 * connection of its own that is made when the first listener comes. Redis does not repeat what a subscriber missed, so the
 * bus counts as connected only between the acknowledgement of SUBSCRIBE (not `ready`, which comes earlier) and the first
 * sign of trouble. A connection that died silently gives no sign; so it is pinged, and replaced if that fails.
 *
 * Pub/sub knows no databases: everybody on a channel of a server hears everything there.
 */
import type { Invalidation, MonotonicClock } from "@tiercache/core"
import { Effect, Scope } from "effect"
import type { Redis } from "ioredis"
import * as BusMessage from "./BusMessage.ts"
import * as redisError from "./internal/redisError.ts"
import type * as RedisClock from "./RedisClock.ts"
import type * as RedisConnection from "./RedisConnection.ts"

export interface RedisBus {
  readonly invalidation: Invalidation.Invalidation["Service"]
  readonly channel: string
  /** Calls the listener for changes of the store only. */
  readonly subscribeToChanges: Invalidation.Invalidation["Service"]["subscribe"]
  /** `idle` until somebody listens. */
  readonly status: () => "idle" | "connecting" | "connected"
  /** Why it is not connected, as far as it is known. */
  readonly problem: () => string | undefined
}

const PING_INTERVAL = "1 second"

/** Makes the bus of a connection; it closes with the scope. */
export const make = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  channel: string,
  clock: RedisClock.RedisClock,
  now: MonotonicClock.Now
) {
  const scope = yield* Effect.scope
  const origin = BusMessage.makeOrigin()
  // apart from the messages, because nobody else wants to hear them; order is kept between channels of one connection
  const heartbeatChannel = `${channel}:heartbeat:${origin}`
  const receiver = new Receiver(channel, heartbeatChannel, clock, now)
  const start = yield* Effect.cached(
    connection.makeBusClient.pipe(
      Effect.tap((client) => Effect.sync(() => receiver.follow(client))),
      Effect.tap((client) => Effect.forkIn(receiver.watch(client), scope)),
      Scope.provide(scope),
      Effect.uninterruptible
    )
  )
  const subscribe = (listener: Invalidation.Listener, changesOnly: boolean) =>
    Effect.acquireRelease(
      Effect.andThen(start, () => Effect.sync(() => receiver.add({ listener, changesOnly }))),
      (subscription) => Effect.sync(() => receiver.remove(subscription))
    )
  const bus: RedisBus = {
    channel,
    subscribeToChanges: (listener) => subscribe(listener, true),
    status: () => receiver.status,
    problem: () => receiver.problem,
    invalidation: {
      origin,
      subscribe: (listener) => subscribe(listener, false),
      heartbeat: (id) =>
        Effect.asVoid(connection.command("heartbeat", (client) => client.publish(heartbeatChannel, String(id)))),
      reconnect: Effect.sync(() => receiver.reconnect())
    }
  }
  return bus
})

/** One per call, so that the same listener may subscribe twice. */
interface Subscription {
  readonly listener: Invalidation.Listener
  readonly changesOnly: boolean
}

/** The state of the subscription, and who wants to know. */
class Receiver {
  status: "idle" | "connecting" | "connected" = "idle"
  problem: string | undefined
  private readonly channel: string
  private readonly heartbeatChannel: string
  private readonly clock: RedisClock.RedisClock
  private readonly now: MonotonicClock.Now
  private client: Redis | undefined
  private readonly subscriptions = new Set<Subscription>()
  private isSubscribing = false
  /** Counts connections: an acknowledgement says nothing about the next one. */
  private epoch = 0

  constructor(channel: string, heartbeatChannel: string, clock: RedisClock.RedisClock, now: MonotonicClock.Now) {
    this.channel = channel
    this.heartbeatChannel = heartbeatChannel
    this.clock = clock
    this.now = now
  }

  add(subscription: Subscription): Subscription {
    this.subscriptions.add(subscription)
    if (this.status === "connected") subscription.listener.onConnected()
    return subscription
  }

  remove(subscription: Subscription): void {
    this.subscriptions.delete(subscription)
  }

  follow(client: Redis): void {
    this.status = "connecting"
    this.client = client
    client.on("ready", () => this.subscribe(client))
    client.on("close", () => this.disconnected(this.problem))
    client.on("error", (error) => {
      this.problem = redisError.describe(error)
    })
    client.on("messageBuffer", (channel, bytes) => {
      if (channel.toString() === this.heartbeatChannel) this.heard(Number(bytes.toString()))
      else this.received(BusMessage.decode(bytes))
    })
    if (client.status === "ready") this.subscribe(client)
  }

  /** Replaces a connection that does not answer, and repeats a subscription that was refused. */
  watch(client: Redis): Effect.Effect<never> {
    const check = Effect.suspend(() => {
      if (client.status !== "ready") return Effect.void
      if (this.status !== "connected") return Effect.sync(() => this.subscribe(client))
      return Effect.tryPromise(() => client.ping()).pipe(
        Effect.catch((failure) =>
          Effect.sync(() => {
            this.disconnected(redisError.describe(failure.cause))
            client.disconnect(true)
          })
        )
      )
    })
    return Effect.sleep(PING_INTERVAL).pipe(Effect.andThen(check), Effect.forever)
  }

  /** Drops a connection that brings nothing. */
  reconnect(): void {
    if (this.status !== "connected") return
    this.disconnected("it brought nothing, and is replaced")
    this.client?.disconnect(true)
  }

  private heard(heartbeat: number): void {
    for (const { listener } of this.subscriptions) listener.onHeartbeat?.(heartbeat)
  }

  private received({ isChange, keys, kind, origin, pushed, sentAt, writeId }: BusMessage.BusMessage): void {
    const told: Invalidation.Message = {
      origin,
      kind,
      keys,
      writeId: writeId === 0 ? undefined : writeId,
      pushed: pushed?.map((entry) => ({
        ...entry,
        freshUntil: this.clock.toMonotonic(entry.freshUntil),
        goneAfter: this.clock.toMonotonic(entry.goneAfter)
      })),
      ageMillis: Number.isNaN(sentAt) ? undefined : this.clock.toRedis(this.now()) - sentAt
    }
    for (const { changesOnly, listener } of this.subscriptions) {
      if (isChange || !changesOnly) listener.onMessage(told)
    }
  }

  private subscribe(client: Redis): void {
    if (this.isSubscribing) return
    const epoch = this.epoch
    this.isSubscribing = true
    client.subscribe(this.channel, this.heartbeatChannel).then(
      () => epoch === this.epoch && this.connected(),
      (error: unknown) => epoch === this.epoch && this.failed(error)
    )
  }

  private connected(): void {
    this.isSubscribing = false
    this.status = "connected"
    this.problem = undefined
    for (const { listener } of this.subscriptions) listener.onConnected()
  }

  private failed(error: unknown): void {
    this.isSubscribing = false
    this.problem = redisError.describe(error)
  }

  private disconnected(problem: string | undefined): void {
    const wasConnected = this.status === "connected"
    this.epoch++
    this.isSubscribing = false
    this.status = "connecting"
    this.problem = problem
    if (wasConnected) for (const { listener } of this.subscriptions) listener.onDisconnected()
  }
}
