/**
 * Where the values of caches come from: it lives in the test, which sees who loads what, and decides when and whether they get it.
 */
import { Deferred, Effect } from "effect"
import type { Duration } from "effect"
import * as SharedClock from "./SharedClock.ts"

/** A loader of a process asked for a value. */
interface Load {
  readonly process: string
  readonly key: string
  /** What the value was at that time, which is what the loader gets, however late. */
  readonly version: number
  readonly at: number
}

export interface Origin {
  /** Answers a loader; with `undefined` while the key fails. */
  readonly read: (process: string, key: string) => Effect.Effect<number | undefined>
  /** Changes a value; its new version. */
  readonly write: (key: string) => number
  readonly current: (key: string) => number
  readonly loads: () => ReadonlyArray<Load>
  readonly loadsOf: (key: string) => ReadonlyArray<Load>
  /** Waits until the key was asked for so many times. */
  readonly asked: (key: string, times?: number) => Effect.Effect<void>
  /** Lets the loaders that ask for a key next wait until `release`; all of them unless a number is given. */
  readonly hold: (key: string, times?: number) => void
  readonly release: (key: string) => void
  readonly fail: (key: string) => void
  readonly recover: (key: string) => void
  /** How long loaders have to wait in any case. */
  readonly slow: (latency: () => Duration.Input) => void
}

export const make = (): Origin => {
  const versions = new Map<string, number>()
  const loads: Array<Load> = []
  const holds = new Map<string, { readonly released: Deferred.Deferred<void>; times: number }>()
  const failing = new Set<string>()
  let latency: (() => Duration.Input) | undefined

  const current = (key: string) => versions.get(key) ?? 1
  const loadsOf = (key: string) => loads.filter((load) => load.key === key)

  return {
    current,
    loadsOf,
    loads: () => loads,
    read: (process, key) =>
      Effect.suspend(() => {
        const version = current(key)
        loads.push({ process, key, version, at: SharedClock.now() })
        const hold = holds.get(key)
        const isHeld = hold !== undefined && hold.times-- > 0
        const wait = latency === undefined ? Effect.void : Effect.sleep(latency())
        return wait.pipe(
          Effect.andThen(isHeld ? Deferred.await(hold.released) : Effect.void),
          Effect.andThen(Effect.sync(() => (failing.has(key) ? undefined : version)))
        )
      }),
    write: (key) => {
      const version = current(key) + 1
      versions.set(key, version)
      return version
    },
    asked: (key, times = 1) => Effect.repeat(Effect.sleep("5 millis"), { until: () => loadsOf(key).length >= times }),
    hold: (key, times = Infinity) => void holds.set(key, { released: Deferred.makeUnsafe(), times }),
    release: (key) => {
      const hold = holds.get(key)
      if (hold !== undefined) Deferred.doneUnsafe(hold.released, Effect.void)
      holds.delete(key)
    },
    fail: (key) => void failing.add(key),
    recover: (key) => void failing.delete(key),
    slow: (given) => {
      latency = given
    }
  }
}
