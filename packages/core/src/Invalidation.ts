/**
 * The bus: who writes announces which keys changed, in the same atomic step as the write.
 *
 * **Details**
 *
 * A backend whose store is shared with other processes provides it beside `CacheBackend`. Listeners are called
 * synchronously when a message arrives, in the order of arrival, so that an L1 is corrected before anything else runs.
 */
import { Context, type Effect, Queue, type Scope, Stream } from "effect"
import type * as CacheError from "./CacheError.ts"

/**
 * What happened to the keys: a value was written, they are gone, their TTL changed; all that match a pattern are gone; or all keys
 * of the store are. `released` and `failed` change no value: a lease has ended for which somebody waited, see `Lease`. Nor does `woken`: a
 * script wakes those who wait under these names, see `Script`.
 */
export type Kind = "set" | "delete" | "expire" | "pattern" | "flush" | "released" | "failed" | "woken"

export interface Message {
  /** The process that wrote, as its `Invalidation` names itself. */
  readonly origin: string
  readonly kind: Kind
  /** Whole keys. Patterns in their written form for `pattern`; none for `flush`; what the script gave for `woken`. */
  readonly keys: ReadonlyArray<string>
  /** The number that the writer gave to this write, if it did; with `origin` it names one write, or the lease that has ended. */
  readonly writeId?: number | undefined
  /** The entries as they were written, in the order of the keys, if the writer pushes them. */
  readonly pushed?: ReadonlyArray<Pushed> | undefined
  /** How long ago it was sent, in milliseconds, as far as this process can tell. */
  readonly ageMillis?: number | undefined
}

/** An entry on the bus. Deadlines are in milliseconds of the receiver's monotonic clock. */
export interface Pushed {
  /** What the writer's codec made of the value. */
  readonly payload: Uint8Array
  /** See `Entry`. */
  readonly version: number
  readonly freshUntil: number
  readonly goneAfter: number
}

/**
 * **Details**
 *
 * `onConnected` is called once messages arrive for certain, and again after each interruption; `onDisconnected` as soon
 * as they may be missed. Before the first `onConnected`, and between `onDisconnected` and the next
 * `onConnected`, writes may pass unheard.
 */
export interface Listener {
  readonly onMessage: (message: Message) => void
  /** A heartbeat of this process has come back. Everything that was published before it has been given to `onMessage`. */
  readonly onHeartbeat?: ((id: number) => void) | undefined
  readonly onConnected: () => void
  readonly onDisconnected: () => void
}

export class Invalidation extends Context.Service<
  Invalidation,
  {
    /** The name under which this process announces its writes; unique among all processes. */
    readonly origin: string
    /** Listens until the scope closes. Does not wait for the connection: `onConnected` tells. */
    readonly subscribe: (listener: Listener) => Effect.Effect<void, CacheError.CacheError, Scope.Scope>
    /**
     * Publishes a heartbeat where writes are published. If it comes back to `onHeartbeat` of this process' listeners, what was
     * written before it on the same store has been heard.
     */
    readonly heartbeat: (id: number) => Effect.Effect<void, CacheError.CacheError>
    /** Gives up a connection to the bus that brings nothing, and makes a new one. Does nothing while there is none. */
    readonly reconnect: Effect.Effect<void>
  }
>()("@tiercache/core/Invalidation") {}

/** What a reader of a feed may leave lying: a few megabytes. */
const FEED_CAPACITY = 10_000

/** Stands for what a reader has missed. */
const MISSED: Message = { origin: "", kind: "flush", keys: [] }

/**
 * The messages as a stream, for those who watch what happens and keep nothing that could become wrong.
 *
 * **Details**
 *
 * A `flush` of no origin tells a reader that there were messages it did not get: because it was 10,000 behind, or while there
 * was no connection.
 */
export const feed = (
  subscribe: (listener: Listener) => Effect.Effect<void, CacheError.CacheError, Scope.Scope>
): Stream.Stream<Message, CacheError.CacheError> =>
  Stream.callback((queue) => {
    let isFirst = true
    const offer = (message: Message) => {
      const room = FEED_CAPACITY - Queue.sizeUnsafe(queue)
      // the last that finds room stands for itself and for all that find none
      if (room > 0) Queue.offerUnsafe(queue, room === 1 ? MISSED : message)
    }
    return subscribe({
      onMessage: offer,
      onConnected: () => {
        if (!isFirst) offer(MISSED)
        isFirst = false
      },
      onDisconnected: () => {}
    })
  })
