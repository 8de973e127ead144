/**
 * Stops sending commands to a server that does not answer, so that nobody waits for what will not come.
 *
 * It counts what happened to commands lately. When too many failed it opens: commands fail at once. After some time it lets one
 * through as a probe (half-open); if that is answered it closes, otherwise it stays open for as long again. After M. T.
 * Nygard, "Release It!" (2007), section 5.2.
 *
 * What was sent before it opened, and is answered or fails afterwards, no longer counts.
 */
import { CacheError, type MonotonicClock } from "@tiercache/core"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redisOptions from "./redisOptions.ts"

export type State = "closed" | "open" | "half-open"

export interface Settings {
  readonly minimumFailures: number
  readonly failureRate: number
  readonly windowMillis: number
  readonly openMillis: number
}

/** Fewer are no outage: a stall of the server fails what is under way just then. */
const DEFAULT_MINIMUM_FAILURES = 5

/** A server that answers half of the commands is of use yet. */
const DEFAULT_FAILURE_RATE = 0.5

/**
 * Successes from before an outage are in the way for so long: then there are failures only, however busy it was. And for the
 * heartbeats of a tiered backend, four a second, to make up the minimum.
 */
const DEFAULT_WINDOW = "2 seconds"

/** How much longer an outage lasts for callers than for the server, at most. One command waits in vain each time. */
const DEFAULT_OPEN_FOR = "500 millis"

/** Fills in the defaults; `undefined` for none. Throws a `CacheError` with reason `InvalidOption`. */
export const settingsOf = (options: RedisConnection.CommonOptions["circuitBreaker"]): Settings | undefined => {
  if (options === false) return undefined
  const { failureRate = DEFAULT_FAILURE_RATE, minimumFailures = DEFAULT_MINIMUM_FAILURES } = options ?? {}
  if (!Number.isInteger(minimumFailures) || minimumFailures < 1)
    throw invalid("minimumFailures is an integer above zero")
  if (!(failureRate > 0 && failureRate <= 1)) throw invalid("failureRate is above 0, and 1 at most")
  return {
    minimumFailures,
    failureRate,
    windowMillis: redisOptions.timeoutMillis("circuitBreaker.window", options?.window ?? DEFAULT_WINDOW),
    openMillis: redisOptions.timeoutMillis("circuitBreaker.openFor", options?.openFor ?? DEFAULT_OPEN_FOR)
  }
}

const invalid = (problem: string) => CacheError.make("connect", "InvalidOption", `circuitBreaker: ${problem}`)

/** What `admit` returns for a command that must not be sent. */
export const REFUSED = 0

/** The window moves in steps of a tenth. */
const SLOTS = 10

export class CircuitBreaker {
  state: State = "closed"
  private readonly settings: Settings
  private readonly now: MonotonicClock.Now
  private readonly successes = new Uint32Array(SLOTS)
  private readonly failures = new Uint32Array(SLOTS)
  /** The step of the window that is counted now, since the origin of the clock. */
  private step = 0
  /** Counts changes of the state: a pass is good for one state. */
  private pass = 1
  private retryAt = 0

  constructor(settings: Settings, now: MonotonicClock.Now) {
    this.settings = settings
    this.now = now
  }

  /** A pass for one command, with which to report what became of it; or `REFUSED`. */
  admit(): number {
    if (this.state === "closed") return this.pass
    if (this.state === "half-open" || this.now() < this.retryAt) return REFUSED
    this.enter("half-open")
    return this.pass
  }

  /** The server answered, be it with an error. */
  succeeded(pass: number): void {
    if (pass !== this.pass) return
    if (this.state === "closed") this.count(this.successes)
    else this.close()
  }

  /** There was no answer. */
  failed(pass: number): void {
    if (pass !== this.pass) return
    if (this.state === "closed") {
      this.count(this.failures)
      if (!this.isTooMany()) return
    }
    this.retryAt = this.now() + this.settings.openMillis
    this.enter("open")
  }

  /** Nothing is known of the server: if it was a probe, the next command is one. */
  abandoned(pass: number): void {
    if (pass === this.pass && this.state === "half-open") this.enter("open")
  }

  /** Forgets what was, as for a new connection. */
  close(): void {
    this.successes.fill(0)
    this.failures.fill(0)
    this.enter("closed")
  }

  private enter(state: State): void {
    this.state = state
    this.pass++
  }

  private count(counts: Uint32Array): void {
    const step = Math.floor((this.now() * SLOTS) / this.settings.windowMillis)
    for (let passed = Math.max(this.step + 1, step - SLOTS + 1); passed <= step; passed++) {
      this.successes[passed % SLOTS] = 0
      this.failures[passed % SLOTS] = 0
    }
    this.step = step
    counts[step % SLOTS] = (counts[step % SLOTS] ?? 0) + 1
  }

  private isTooMany(): boolean {
    const failures = sum(this.failures)
    const { failureRate, minimumFailures } = this.settings
    return failures >= minimumFailures && failures >= failureRate * (failures + sum(this.successes))
  }
}

const sum = (counts: Uint32Array): number => counts.reduce((sum, count) => sum + count, 0)
