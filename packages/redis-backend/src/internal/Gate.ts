/**
 * The way through a client to its server: open while there is a connection that was prepared.
 */
import type { Writable } from "node:stream"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import { type CircuitBreaker, REFUSED, type State } from "./CircuitBreaker.ts"
import { Turn } from "./Joint.ts"
import * as redisError from "./redisError.ts"
import type { Watchdog } from "./Watchdog.ts"

export type Status = "connecting" | "connected" | "closed"

/** What the caller is told of a command that failed. */
export interface Failures<E> {
  readonly notConnected: (problem: string | undefined) => E
  /** The circuit breaker is open. */
  readonly notAsked: () => E
  readonly failed: (error: unknown, problem: string | undefined) => E
}

/** ioredis-mock has no `status`. */
const isReady = (client: Redis): boolean =>
  client.status === "ready" || (client.status === undefined && Reflect.get(client, "connected") === true)

/** The commands of one turn of the event loop leave in one write: the system call costs more than all else about a command. */
const joinWrites = (stream: Writable | undefined): void => {
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** Follows a client, and lets commands through while it has a connection that was prepared, and answers. */
export class Gate {
  readonly client: Redis
  readonly turn: Turn
  problem: string | undefined
  private readonly prepare: (client: Redis) => Promise<void>
  private readonly attempted: () => void
  private readonly breaker: CircuitBreaker | undefined
  private readonly watchdog: Watchdog
  private isOpen = false
  private isPreparing = false
  /** Counts connections, so that the preparation of one does not open the gate for the next. */
  private epoch = 0

  constructor(
    client: Redis,
    prepare: (client: Redis) => Promise<void>,
    attempted: () => void,
    breaker: CircuitBreaker | undefined,
    watchdog: Watchdog
  ) {
    this.client = client
    this.turn = new Turn(client)
    this.prepare = prepare
    this.attempted = attempted
    this.breaker = breaker
    this.watchdog = watchdog
    client.on("ready", this.onReady)
    client.on("close", this.onClose)
    client.on("error", this.onError)
    if (client.status === "wait") client.connect().catch(() => {})
    if (isReady(client)) this.onReady()
  }

  leave(): void {
    this.onClose()
    this.client.off("ready", this.onReady)
    this.client.off("close", this.onClose)
    this.client.off("error", this.onError)
  }

  status(): Status {
    if (this.isOpen) return "connected"
    return this.client.status === "end" ? "closed" : "connecting"
  }

  /** What is joined waits for the end of the turn, and anything else goes after it. */
  run<A, E>(
    send: (client: Redis) => Promise<A>,
    { failed, notAsked, notConnected }: Failures<E>,
    isJoined = false
  ): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      if (!this.isOpen) return resume(Effect.fail(notConnected(this.problem)))
      const pass = this.breaker?.admit()
      if (pass === REFUSED) return resume(Effect.fail(notAsked()))
      if (!isJoined) {
        joinWrites(this.client.stream)
        this.turn.flush()
      }
      const fail = (error: unknown) => {
        if (pass !== undefined) this.report(pass, error)
        resume(Effect.fail(failed(error, this.problem)))
      }
      const wait = this.watchdog.begin(() => fail(redisError.timeout()))
      const onFailed = (error: unknown) => {
        if (this.watchdog.end(wait, redisError.isReply(error))) fail(error)
      }
      try {
        send(this.client).then((reply) => {
          if (!this.watchdog.end(wait, true)) return undefined
          if (pass !== undefined) this.breaker?.succeeded(pass)
          return resume(Effect.succeed(reply))
        }, onFailed)
      } catch (error) {
        onFailed(error)
      }
    })
  }

  /** `off` if there is none. */
  breakerState(): State | "off" {
    return this.breaker?.state ?? "off"
  }

  private report(pass: number, error: unknown): void {
    if (redisError.isReply(error)) this.breaker?.succeeded(pass)
    else if (redisError.isNoAnswer(error)) this.breaker?.failed(pass)
    else this.breaker?.abandoned(pass)
  }

  /** For a connection whose preparation failed, and that is still there. */
  prepareAgain(): void {
    if (!this.isOpen && !this.isPreparing && isReady(this.client)) this.onReady()
  }

  private readonly onReady = (): void => {
    const epoch = ++this.epoch
    this.isPreparing = true
    this.prepare(this.client).then(
      () => epoch === this.epoch && this.open(),
      (error: unknown) => epoch === this.epoch && this.onUnprepared(error)
    )
  }

  private open(): void {
    this.isPreparing = false
    this.isOpen = true
    this.watchdog.takeOver()
    // it has answered what it takes to prepare it
    this.breaker?.close()
    this.problem = undefined
    this.attempted()
  }

  private readonly onClose = (): void => {
    this.epoch++
    this.isPreparing = false
    this.isOpen = false
    this.watchdog.giveBack()
    this.attempted()
  }

  private onUnprepared(error: unknown): void {
    this.isPreparing = false
    this.onError(error)
  }

  private readonly onError = (error: unknown): void => {
    this.problem = redisError.describe(error)
    this.attempted()
  }
}
