/**
 * Backends whose bus is listened to.
 */
import { CacheBackend, Invalidation } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect } from "effect"
import { eventually, PATIENT } from "./support.ts"

/** A number is a heartbeat. */
export type Event = Invalidation.Message | number | "connected" | "disconnected"

/** A backend and everything that its bus tells. */
export const makeListening = Effect.fnUntraced(function* (options: RedisBackend.Options) {
  const context = yield* RedisBackend.make({ ...PATIENT, ...options })
  const backend = Context.get(context, CacheBackend.CacheBackend)
  const bus = Context.get(context, Invalidation.Invalidation)
  const { events, hears } = yield* listen(bus)
  return { backend, bus, events, hears }
})

export const listen = Effect.fnUntraced(function* (bus: Invalidation.Invalidation["Service"]) {
  const events: Array<Event> = []
  yield* bus.subscribe({
    onMessage: (message) => events.push(message),
    onHeartbeat: (id) => events.push(id),
    onConnected: () => events.push("connected"),
    onDisconnected: () => events.push("disconnected")
  })
  return {
    events,
    hears: (event: (events: ReadonlyArray<Event>) => boolean) => eventually(Effect.sync(() => event(events)))
  }
})

export const isConnected = (events: ReadonlyArray<Event>) =>
  events.findLast((event) => event === "connected" || event === "disconnected") === "connected"

export const mentions = (key: string) => (events: ReadonlyArray<Event>) =>
  events.some((event) => typeof event === "object" && event.keys.includes(key))
