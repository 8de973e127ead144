/**
 * Those in this process who wait for permits.
 *
 * Of those who wait for the same key one at a time stands in the store's queue, so that a process of a thousand fibers is one
 * waiter there; the others stand in line behind it here.
 *
 * Messages are hints. Who is woken for nothing asks for nothing, and who misses a message asks when its pause is over.
 */
import type { CacheBackend, Invalidation } from "@tiercache/core"
import { Effect, Latch, Scope } from "effect"
import { OFFER_MILLIS } from "./lockState.ts"

interface Waiter {
  /** Waits to be told to look, but not for longer than that. Was it told since the last time, it does not wait. */
  readonly pause: (millis: number) => Effect.Effect<void>
}

interface Waiters {
  /** Registers under the name that the store's queue knows. */
  readonly enter: (owner: string) => Effect.Effect<Waiter>
  readonly leave: (owner: string) => void
  /** Stands in line for a key; the latch opens when it is one's turn. */
  readonly join: (key: string) => Latch.Latch
  readonly quit: (key: string, turn: Latch.Latch) => void
  /** Whether anybody stands in line for a key. */
  readonly isAwaited: (key: string) => boolean
  /** How many are registered or in line. */
  readonly size: () => number
}

/** How much longer than an offer stands the next in the queue waits for who got it. */
const STAND_BY_MILLIS = OFFER_MILLIS + 5

interface Entry {
  readonly told: Latch.Latch
  /** Told that others go first, if they come. */
  isStandingBy: boolean
}

/** Listens from the first `enter` until the scope closes. */
export const make = Effect.fnUntraced(function* (backend: CacheBackend.CacheBackend["Service"]) {
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry>()
  const lines = new Map<string, Array<Latch.Latch>>()

  const tell = (entry: Entry | undefined, isStandingBy: boolean) => {
    if (entry === undefined || (isStandingBy && entry.told.isOpen())) return
    entry.isStandingBy = isStandingBy
    entry.told.openUnsafe()
  }

  const listener: Invalidation.Listener = {
    onMessage: ({ keys, kind }) => {
      if (kind !== "woken") return
      const [next, ...offered] = keys
      for (const owner of offered) tell(entries.get(owner), false)
      if (next !== undefined) tell(entries.get(next), true)
    },
    // what was said before was not heard
    onConnected: () => entries.forEach((entry) => tell(entry, false)),
    onDisconnected: () => {}
  }
  // a backend that cannot listen leaves the pauses; an interruption of who came first would be kept for all
  const listen = yield* Effect.cached(
    Effect.ignore(Effect.uninterruptible(Scope.provide(backend.listen(listener), scope)))
  )

  const pause = (entry: Entry, millis: number) =>
    Effect.gen(function* () {
      yield* Effect.timeoutOption(entry.told.await, millis)
      entry.told.closeUnsafe()
      if (!entry.isStandingBy) return
      entry.isStandingBy = false
      yield* Effect.timeoutOption(entry.told.await, Math.min(millis, STAND_BY_MILLIS))
      entry.told.closeUnsafe()
    })

  const waiters: Waiters = {
    enter: (owner) =>
      Effect.map(listen, () => {
        const entry: Entry = { told: Latch.makeUnsafe(false), isStandingBy: false }
        entries.set(owner, entry)
        return { pause: (millis) => pause(entry, millis) }
      }),
    leave: (owner) => void entries.delete(owner),
    join: (key) => {
      const line = lines.get(key) ?? []
      const turn = Latch.makeUnsafe(line.length === 0)
      lines.set(key, line)
      line.push(turn)
      return turn
    },
    quit: (key, turn) => {
      const line = lines.get(key)?.filter((other) => other !== turn) ?? []
      if (line.length === 0) lines.delete(key)
      else lines.set(key, line)
      line[0]?.openUnsafe()
    },
    isAwaited: (key) => lines.has(key),
    size: () => entries.size + lines.size
  }
  return waiters
})
