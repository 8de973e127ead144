/**
 * The change feed.
 */
import type { CacheBackend, Invalidation } from "@tiercache/core"
import { Queue, Stream } from "effect"
import type * as RedisBus from "../RedisBus.ts"

/** What a slow reader may leave lying; about 10 MB. */
const MAX_PENDING = 100_000

/** The last message that finds room: it stands for itself and for all that find none, until the reader gets here. */
const OVERFLOW: Invalidation.Message = { origin: "", kind: "flush", keys: [] }

export const make = (bus: RedisBus.RedisBus): CacheBackend.CacheBackend["Service"]["changes"] =>
  Stream.callback((queue) =>
    bus.subscribeToChanges({
      onMessage: (message) => {
        const room = MAX_PENDING - Queue.sizeUnsafe(queue)
        if (room > 0) Queue.offerUnsafe(queue, room === 1 ? OVERFLOW : message)
      },
      onConnected: () => {},
      onDisconnected: () => {}
    })
  )
