/**
 * Rate limits that count in this process: what `onStoreFailure: "local"` falls back on.
 */
import type { MonotonicClock, Script } from "@tiercache/core"
import type { State } from "./rateLimitAlgorithm.ts"

/** Runs the reducer of a script over the states of this process. */
export type Run = <Args, Reply>(
  script: Script.Script<State, Args, Reply>,
  keys: ReadonlyArray<string>,
  args: Args
) => Reply

interface Held {
  readonly state: State
  readonly goneAfter: number
}

/** Some megabytes at most. Beyond it, whoever was counted longest ago is forgotten, and begins anew. */
const MAX_KEYS = 10_000

export const make = (now: MonotonicClock.Now): Run => {
  // in the order in which they were written
  const states = new Map<string, Held>()

  const living = (key: string): State | undefined => {
    const held = states.get(key)
    if (held === undefined || now() < held.goneAfter) return held?.state
    states.delete(key)
    return undefined
  }
  const put = (key: string, held: Held): void => {
    states.delete(key)
    for (const oldest of states.size >= MAX_KEYS ? states.keys() : []) {
      states.delete(oldest)
      break
    }
    states.set(key, held)
  }

  return (script, keys, args) => {
    const keyAt = (index: number) => keys[index] ?? ""
    return script.reducer(
      {
        get: (index) => living(keyAt(index)),
        set: (index, state, ttlMillis = Infinity) => put(keyAt(index), { state, goneAfter: now() + ttlMillis }),
        delete: (index) => void states.delete(keyAt(index))
      },
      args,
      Math.round(now() * 1000),
      // nobody waits for a limit
      () => {}
    )
  }
}
