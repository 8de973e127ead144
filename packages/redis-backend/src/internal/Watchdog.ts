/**
 * Ends commands that are not answered in time, and the connection to a server that answers none.
 *
 * ioredis can do both by itself, with two timers for each command that is on its way alone: to set and to clear them takes as long as all
 * else that a process does for it. Here one timer looks after all. ioredis keeps its own while a connection is being made.
 */
import type { Redis } from "ioredis"

/** A command that was sent. */
export interface Wait {
  readonly since: number
  readonly onTimeout: () => void
  /** Counts the connections: what was sent over one that is lost is not answered. */
  readonly epoch: number
  isOver: boolean
}

export interface Limits {
  readonly commandMillis: number
  /** After so long without any answer a connection is given up; never for one that is not ours. */
  readonly silentMillis: number
}

export class Watchdog {
  private readonly client: Redis
  private readonly limits: Limits
  /** The oldest first. */
  private readonly unanswered = new Set<Wait>()
  private timer: NodeJS.Timeout | undefined
  private epoch = 0
  private hasHeard = false
  private bytesRead = 0
  private silentSince = 0
  private own: Timers | undefined

  constructor(client: Redis, limits: Limits) {
    this.client = client
    this.limits = limits
  }

  /** From now on all commands are told to this watchdog, and none is under way. */
  takeOver(): void {
    if (this.limits.silentMillis === Infinity || this.own !== undefined) return
    const { options } = this.client
    this.own = { commandTimeout: options.commandTimeout, socketTimeout: options.socketTimeout }
    Object.assign(options, NO_TIMERS)
  }

  /** The connection is lost. */
  giveBack(): void {
    this.epoch++
    if (this.own !== undefined) Object.assign(this.client.options, this.own)
    this.own = undefined
  }

  /** A command is sent. `onTimeout` is called once, unless it is ended before. */
  begin(onTimeout: () => void): Wait {
    const wait = { since: performance.now(), onTimeout, epoch: this.epoch, isOver: false }
    if (this.unanswered.size === 0) this.silentSince = wait.since
    this.unanswered.add(wait)
    if (this.timer === undefined) this.wake(this.limits.commandMillis)
    return wait
  }

  /** It was answered, or has failed; false if it was given up before. */
  end(wait: Wait, isAnswered: boolean): boolean {
    this.unanswered.delete(wait)
    if (isAnswered) this.hasHeard = true
    return !wait.isOver
  }

  private wake(millis: number): void {
    // who is told of a time-out may have sent something else already
    clearTimeout(this.timer)
    // the connection keeps the process alive, or it is not to live
    this.timer = setTimeout(this.onTimer, Math.max(1, Math.ceil(millis))).unref()
  }

  /** After a process stood still its timers fire before it reads what has arrived meanwhile, which is to count. */
  private readonly onTimer = (): void => void setImmediate(this.look)

  private readonly look = (): void => {
    this.timer = undefined
    const now = performance.now()
    const bytesRead = this.client.stream?.bytesRead ?? 0
    // a large reply may be on its way for longer than any command may take
    if (this.hasHeard || bytesRead !== this.bytesRead) this.silentSince = now
    this.bytesRead = bytesRead
    this.hasHeard = false
    let next = now
    for (const wait of this.unanswered) {
      if (wait.isOver) continue
      if (now - wait.since < this.limits.commandMillis) {
        next = wait.since
        break
      }
      wait.isOver = true
      wait.onTimeout()
    }
    for (const wait of this.unanswered) {
      if (!wait.isOver || wait.epoch === this.epoch) break
      this.unanswered.delete(wait)
    }
    if (this.unanswered.size === 0) return
    if (now - this.silentSince >= this.limits.silentMillis) {
      this.silentSince = now
      // as ioredis itself would, in its words
      this.client.stream.destroy(new Error("Socket timeout: no answer on this connection"))
    }
    this.wake(next + this.limits.commandMillis - now)
  }
}

interface Timers {
  readonly commandTimeout: number | undefined
  readonly socketTimeout: number | undefined
}

const NO_TIMERS: Timers = { commandTimeout: undefined, socketTimeout: undefined }
