/**
 * Channels of pub/sub that somebody else publishes on, each over a connection of its own.
 */
import type { CacheError } from "@tiercache/core"
import { Deferred, Effect, Fiber } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import { BusConnection } from "./BusConnection.ts"
import * as redisError from "./redisError.ts"
import type { Server } from "./Server.ts"

export interface Message {
  readonly channel: string
  readonly message: string
}

/** How often it is looked whether the server is still one of those that take writes. */
const WATCH_INTERVAL = "1 second"

/** How soon another server is looked for when there is none. */
const AGAIN_INTERVAL = "100 millis"

/**
 * Done when Redis has acknowledged; fails if it does not within the time of a command. What comes back listens on, and moves to another
 * node when its own leaves the cluster: all nodes get all messages. What is published while there is no connection is missed.
 */
export const subscribe = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  channel: string,
  onMessage: (message: Message) => void
) {
  const subscribed = yield* Deferred.make<void>()
  let bus: BusConnection | undefined

  const listenOn = Effect.fnUntraced(function* (server: Server) {
    const listening = new BusConnection({
      prepare: (client) => client.subscribe(channel),
      onMessage: (channel, payload) => onMessage({ channel, message: String(payload) }),
      onConnected: () => Deferred.doneUnsafe(subscribed, Effect.void),
      onDisconnected: () => {}
    })
    bus = listening
    const client = yield* server.makeBusClient
    listening.follow(client)
    yield* Effect.raceFirst(listening.watch(client), left(connection, server))
  }, Effect.scoped)

  const listen = Effect.suspend(() => {
    const servers = connection.servers()
    const server = servers.find(({ status }) => status() === "connected") ?? servers[0]
    return server === undefined ? Effect.sleep(AGAIN_INTERVAL) : listenOn(server)
  }).pipe(Effect.forever)

  const fiber = yield* Effect.forkScoped(listen)
  const missing: Effect.Effect<never, CacheError.CacheError> = Effect.suspend(() =>
    Effect.fail(
      redisError.notConnected(
        "subscribe",
        connection.endpoint,
        bus?.problem ?? connection.problem() ?? "no answer in time"
      )
    )
  )
  const acknowledged = Effect.timeoutOrElse(Deferred.await(subscribed), {
    duration: connection.commandMillis,
    orElse: () => missing
  })
  // the scope may be open for long, and whoever tries again in it would have one connection more each time
  yield* Effect.onError(acknowledged, () => Fiber.interrupt(fiber))
  return Fiber.join(fiber)
})

/** Waits until a server is none of those that take writes any more. */
const left = (connection: RedisConnection.RedisConnection, server: Server) =>
  Effect.sync(() => connection.servers().includes(server)).pipe(
    Effect.delay(WATCH_INTERVAL),
    Effect.repeat({ until: (isThere) => !isThere })
  )
