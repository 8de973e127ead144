/**
 * The bus: who writes announces which keys changed, in the same atomic step as the write.
 *
 * **Details**
 *
 * A backend whose store is shared with other processes provides it beside `CacheBackend`. Listeners are called
 * synchronously when a message arrives, in the order of arrival, so that an L1 is corrected before anything else runs.
 */
import { Context, type Effect, type Scope } from "effect"
import type * as CacheError from "./CacheError.ts"

/** What happened to the keys: a value was written, they are gone, their TTL changed, or all keys of the store are gone. */
export type Kind = "set" | "delete" | "expire" | "flush"

export interface Message {
  /** The process that wrote, as its `Invalidation` names itself. */
  readonly origin: string
  readonly kind: Kind
  /** Whole keys. Empty for `flush`. */
  readonly keys: ReadonlyArray<string>
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
  }
>()("@tiercache/core/Invalidation") {}
