/**
 * One connection on which this process hears what others did: made ready after each connect, watched, and replaced when it
 * does not answer.
 *
 * It counts as connected only between the moment at which it was made ready and the first sign of trouble. `ready` of ioredis is
 * no such moment: it comes before the subscription is acknowledged.
 */
import { Effect } from "effect"
import type { Redis } from "ioredis"
import * as redisError from "./redisError.ts"

export interface Handlers {
  /** Subscribes, and whatever else has to be done on a new connection; resolves when nothing is missed any more. */
  readonly prepare: (client: Redis) => Promise<unknown>
  /** ioredis types the payload of a message as bytes; what tracking sends is none. */
  readonly onMessage: (channel: string, payload: unknown) => void
  readonly onConnected: () => void
  readonly onDisconnected: () => void
}

export type Status = "idle" | "connecting" | "connected"

/** How often a connection is asked for a sign of life. One that died silently gives none by itself. */
const PING_INTERVAL = "1 second"

export class BusConnection {
  status: Status = "idle"
  problem: string | undefined
  private readonly handlers: Handlers
  private client: Redis | undefined
  private isPreparing = false
  private isLeft = false
  /** Counts connections: an acknowledgement says nothing about the next one. */
  private epoch = 0

  constructor(handlers: Handlers) {
    this.handlers = handlers
  }

  follow(client: Redis): void {
    this.status = "connecting"
    this.client = client
    client.on("ready", () => this.prepare(client))
    client.on("close", () => this.disconnected(this.problem))
    client.on("error", (error) => {
      this.problem = redisError.describe(error)
    })
    client.on("messageBuffer", (channel, payload) => {
      if (!this.isLeft) this.handlers.onMessage(channel.toString(), payload)
    })
    if (client.status === "ready") this.prepare(client)
  }

  /** Replaces a connection that does not answer, and repeats a preparation that was refused. */
  watch(client: Redis): Effect.Effect<never> {
    const check = Effect.suspend(() => {
      if (client.status !== "ready") return Effect.void
      if (this.status !== "connected") return Effect.sync(() => this.prepare(client))
      return Effect.tryPromise(() => client.ping()).pipe(
        Effect.catch((failure) => Effect.sync(() => this.drop(redisError.describe(failure.cause))))
      )
    })
    return Effect.sleep(PING_INTERVAL).pipe(Effect.andThen(check), Effect.forever)
  }

  /** Gives up a connection that counts as connected; a new one follows. */
  drop(problem: string): void {
    if (this.status !== "connected") return
    this.disconnected(problem)
    this.client?.disconnect(true)
  }

  /** Nothing that happens to it is told any more. */
  leave(): void {
    this.isLeft = true
    this.epoch++
  }

  private prepare(client: Redis): void {
    if (this.isPreparing || this.isLeft) return
    const epoch = this.epoch
    this.isPreparing = true
    this.handlers.prepare(client).then(
      () => epoch === this.epoch && this.connected(),
      (error: unknown) => epoch === this.epoch && this.failed(error)
    )
  }

  private connected(): void {
    this.isPreparing = false
    this.status = "connected"
    this.problem = undefined
    this.handlers.onConnected()
  }

  private failed(error: unknown): void {
    this.isPreparing = false
    this.problem = redisError.describe(error)
  }

  private disconnected(problem: string | undefined): void {
    const wasConnected = this.status === "connected"
    this.epoch++
    this.isPreparing = false
    this.status = "connecting"
    this.problem = problem
    if (wasConnected && !this.isLeft) this.handlers.onDisconnected()
  }
}
