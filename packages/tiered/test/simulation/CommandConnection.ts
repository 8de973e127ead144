/**
 * A process' connection for commands: requests and replies each arrive in the order in which they were sent, if they arrive.
 *
 * **Details**
 *
 * A request lies in `requests` until the server executes it, and its reply in `replies` until it arrives. What lay in the
 * buffers of a connection that was cut may still be executed (`orphans`), but nobody gets the reply.
 */
import { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type { VirtualTime } from "./VirtualTime.ts"

/** How long a command may take. Two heartbeats: half the bound, as the defaults of the real ones are. */
export const COMMAND_MILLIS = 50

/** Made once: an error takes longer than all the rest of a step. */
const FAILURES = {
  Timeout: Effect.fail(CacheError.make("model", "Timeout", "no reply in time")),
  Unavailable: Effect.fail(CacheError.make("model", "Unavailable", "no connection"))
} as const

interface Request {
  readonly isWrite: boolean
  readonly sentAt: number
  /** Executes it, and returns how the reply is given to the caller. */
  readonly execute: () => () => void
  /** Sends it once more, as is done with scripts that the server did not know, or that came too late for it. */
  readonly resend: () => void
  readonly fail: (reason: keyof typeof FAILURES) => void
  isSettled: boolean
}

export class CommandConnection {
  private requests: Array<Request> = []
  private replies: Array<{ readonly request: Request; readonly arrive: () => void }> = []
  private orphans: Array<Request> = []
  private isConnected = true
  private readonly time: VirtualTime

  constructor(time: VirtualTime) {
    this.time = time
  }

  /** Fails with `Timeout` when the time is up, and with `Unavailable` without a connection. */
  send<A>(isWrite: boolean, execute: () => A): Effect.Effect<A, CacheError.CacheError> {
    return Effect.callback<A, CacheError.CacheError>((resume) => {
      const settle = (effect: Effect.Effect<A, CacheError.CacheError>) => {
        if (request.isSettled) return
        request.isSettled = true
        cancel()
        resume(effect)
      }
      const request: Request = {
        isWrite,
        sentAt: this.time.now,
        isSettled: false,
        execute: () => {
          const answer = execute()
          return () => settle(Effect.succeed(answer))
        },
        resend: () => {
          if (!request.isSettled) settle(this.send(isWrite, execute))
        },
        fail: (reason) => settle(FAILURES[reason])
      }
      const cancel = this.time.after(COMMAND_MILLIS, () => request.fail("Timeout"))
      if (this.isConnected) this.requests.push(request)
      else request.fail("Unavailable")
      return Effect.sync(() => {
        request.isSettled = true
        cancel()
      })
    })
  }

  /** The next request reaches the server. */
  serve(): boolean {
    const request = this.requests.shift()
    if (request === undefined) return false
    this.replies.push({ request, arrive: this.isLate(request) ? request.resend : request.execute() })
    return true
  }

  /** The next request is a script that the server does not know (`NOSCRIPT`): it has to be sent in full, behind all others. */
  refuse(): boolean {
    if (this.requests[0]?.isWrite !== true) return false
    const request = this.requests.shift()
    if (request !== undefined) this.replies.push({ request, arrive: request.resend })
    return true
  }

  /** The next reply is handled after all others that are under way: what waits for it takes a few turns longer. */
  linger(): boolean {
    const reply = this.replies.length > 1 ? this.replies.shift() : undefined
    if (reply !== undefined) this.replies.push(reply)
    return reply !== undefined
  }

  /** The next reply reaches the process. */
  reply(): boolean {
    const reply = this.replies.shift()
    reply?.arrive()
    return reply !== undefined
  }

  /** The process gives up waiting for the oldest command. Its request and its reply stay where they are. */
  timeOut(): boolean {
    const isWaiting = (request: Request) => !request.isSettled
    const oldest = this.replies.map(({ request }) => request).find(isWaiting) ?? this.requests.find(isWaiting)
    oldest?.fail("Timeout")
    return oldest !== undefined
  }

  /** The connection is lost, and all replies with it. */
  cut(): boolean {
    if (!this.isConnected) return false
    this.isConnected = false
    const waiting = [...this.replies.map(({ request }) => request), ...this.requests]
    this.orphans.push(...this.requests)
    this.requests = []
    this.replies = []
    for (const request of waiting) request.fail("Unavailable")
    return true
  }

  reopen(): boolean {
    if (this.isConnected) return false
    this.isConnected = true
    return true
  }

  /** A request of a lost connection is executed all the same, unless it comes too late. */
  serveOrphan(): boolean {
    const request = this.orphans.shift()
    if (request === undefined || this.isLate(request)) return false
    request.execute()
    return true
  }

  /** The server has gone, and what lay in its buffers. */
  vanish(): void {
    this.requests = []
    this.orphans = []
    this.replies = []
  }

  /** What comes too late is not written: the process has told its caller that it failed, or will. */
  private isLate({ isWrite, sentAt }: Request): boolean {
    return isWrite && this.time.now > sentAt + COMMAND_MILLIS
  }
}
