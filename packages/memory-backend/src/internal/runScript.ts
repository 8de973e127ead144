/**
 * Runs the reducer of a `Script` over a store.
 */
import { CacheError, type Script } from "@tiercache/core"
import type * as MemoryStore from "../MemoryStore.ts"

/**
 * All or nothing: what the reducer writes is kept aside until it returns.
 *
 * The time is the store's monotonic one: unlike the wall clock of a server it is never set back.
 */
export const runScript = <State, Args, Reply>(
  store: MemoryStore.MemoryStore,
  script: Script.Script<State, Args, Reply>,
  keys: ReadonlyArray<string>,
  args: Args
): Reply => {
  for (const key of keys) checkType(store, script, key)
  const now = store.now()
  const written = new Map<string, MemoryStore.Held<State> | undefined>()

  const keyAt = (index: number) => {
    const key = keys[index]
    if (key !== undefined) return key
    throw CacheError.make("run", "InvalidOption", `${script.name} has no key at ${index}`)
  }
  const current = (key: string): MemoryStore.Held<State> | undefined => {
    if (written.has(key)) return written.get(key)
    const held = store.held(key)
    return held !== undefined && isHeldBy(script, held) ? held : undefined
  }

  const reply = script.reducer(
    {
      get: (index) => current(keyAt(index))?.state,
      set: (index, state, ttlMillis) => {
        const key = keyAt(index)
        const goneAfter = ttlMillis === undefined ? (current(key)?.goneAfter ?? Infinity) : now + ttlMillis
        if (Number.isNaN(goneAfter)) throw CacheError.make("run", "InvalidOption", `${script.name} set a TTL of NaN`)
        written.set(key, { type: script.type, state: freeze(state), goneAfter })
      },
      delete: (index) => {
        written.set(keyAt(index), undefined)
      }
    },
    args,
    Math.round(now * 1000)
  )

  for (const [key, held] of written) {
    if (held === undefined) store.delete(key)
    else store.hold(key, held)
  }
  return reply
}

const checkType = <State, Args, Reply>(
  store: MemoryStore.MemoryStore,
  script: Script.Script<State, Args, Reply>,
  key: string
): void => {
  const held = store.held(key)
  const isOurs = held === undefined ? store.peek(key) === undefined : isHeldBy(script, held)
  if (!isOurs) throw CacheError.make("run", "WrongType", `the key holds something else than ${script.type}`)
}

/** Scripts of one type agree on what their keys hold. */
const isHeldBy = <State, Args, Reply>(
  script: Script.Script<State, Args, Reply>,
  held: MemoryStore.Held<unknown>
): held is MemoryStore.Held<State> => held.type === script.type

/** A reducer that changed a state in place would do so even if it throws later. */
const freeze = <State>(state: State): State => {
  if (typeof state === "object" && state !== null && !Object.isFrozen(state)) {
    Object.values(state).forEach(freeze)
    if (!ArrayBuffer.isView(state)) Object.freeze(state)
  }
  return state
}
