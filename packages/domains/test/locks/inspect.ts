/**
 * What the store has of a lock or semaphore.
 */
import { type CacheBackend, Script } from "@tiercache/core"
import { Effect } from "effect"
import * as Scripts from "../../src/internal/lockScripts.ts"
import type * as State from "../../src/internal/lockState.ts"

/** The three texts of the hash, made from a state for the reducer. */
type Texts = readonly [fence: string, holders: string, queue: string]

export const textsOf = (state: State.State | undefined): Texts => {
  const join = (records: ReadonlyArray<ReadonlyArray<string | number>>) =>
    records.map((record) => record.join(":")).join()
  if (state === undefined) return ["", "", ""]
  return [
    String(state.fence),
    join(state.holders.map(({ ends, fence, owner, permits, ttlMillis }) => [owner, permits, ends, fence, ttlMillis])),
    join(state.queue.map(({ keptUntil, owner, permits, ticket }) => [owner, permits, ticket, keptUntil]))
  ]
}

const inspect = Script.make<State.State, undefined, Texts>({
  name: "inspect-permits",
  type: Scripts.TYPE,
  lua: `
    local stored = redis.call("HMGET", KEYS[1], "fence", "holders", "queue")
    return { stored[1] or "", stored[2] or "", stored[3] or "" }
  `,
  args: () => [],
  reply: (raw) => {
    const [fence = "", holders = "", queue = ""] = Array.isArray(raw) ? raw.map(String) : []
    return [fence, holders, queue]
  },
  reducer: (slots) => textsOf(slots.get(0))
})

export const texts = (backend: CacheBackend.CacheBackend["Service"], key: string) =>
  backend.run(inspect, [key], undefined)

/** How many hold it, an offer included, and how many wait, those included whose time is over. */
export const counts = (backend: CacheBackend.CacheBackend["Service"], key: string) =>
  Effect.map(texts(backend, key), ([, holders, queue]) => ({
    holders: holders.split(",").filter((record) => record !== "").length,
    waiters: queue.split(",").filter((record) => record !== "").length
  }))
