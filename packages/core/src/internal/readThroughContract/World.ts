/**
 * Where the values of a history come from, and what has to be true of them.
 */
import { Effect, Latch } from "effect"
import type { Behaviour, Key } from "./History.ts"
import { SourceDown } from "./Source.ts"

interface Load {
  readonly key: Key
  readonly isInterruptible: boolean
  /** Something happened to the key, so that another may load it too. */
  isSuperseded: boolean
}

/**
 * The values are numbers that grow with every write. So whether what a caller got is too old can be told from the last number
 * that was written before it asked.
 */
export interface World {
  /** Loads the number that is right when it begins. */
  readonly load: (key: Key, behaviour: Behaviour) => Effect.Effect<number | undefined, SourceDown>
  /** What is written: to be called before. The key may be loaded again from then on. */
  readonly write: (key: Key) => number
  /** The number is acknowledged: to be called after. */
  readonly written: (key: Key, value: number) => void
  /** What a caller may find who asks now, to be told what it has found. */
  readonly reader: (key: Key) => (value: unknown) => void
  /** Lets the loads end that do not by themselves. */
  readonly end: Effect.Effect<void>
  readonly running: () => number
  /** Of those that can be interrupted. */
  readonly runningInterruptibly: () => number
  readonly violations: ReadonlyArray<string>
}

export const make = (): World => {
  const gate = Latch.makeUnsafe(false)
  const current = { a: 0, b: 0 }
  const acknowledged = { a: 0, b: 0 }
  const loads = new Set<Load>()
  const violations: Array<string> = []
  let last = 0

  const begin = (key: Key, isInterruptible: boolean): Load => {
    // one that could not be interrupted may have been left behind
    const isShared = [...loads].some((load) => load.key === key && load.isInterruptible && !load.isSuperseded)
    if (isShared) violations.push(`two loads of ${key} at once`)
    const load = { key, isInterruptible, isSuperseded: false }
    loads.add(load)
    return load
  }

  return {
    load: (key, { how, isInterruptible, millis }) => {
      const loading = Effect.suspend(() => {
        const load = begin(key, isInterruptible)
        const value = current[key]
        return (millis === 0 ? gate.await : Effect.sleep(millis)).pipe(
          Effect.andThen(
            Effect.suspend((): Effect.Effect<number | undefined, SourceDown> => {
              if (how === "fails") return Effect.fail(new SourceDown({ call: value }))
              return Effect.succeed(how === "succeeds" ? value : undefined)
            })
          ),
          Effect.ensuring(Effect.sync(() => loads.delete(load)))
        )
      })
      return isInterruptible ? loading : Effect.uninterruptible(loading)
    },
    write: (key) => {
      for (const load of loads) if (load.key === key) load.isSuperseded = true
      current[key] = ++last
      return last
    },
    written: (key, value) => {
      acknowledged[key] = value
    },
    reader: (key) => {
      const least = acknowledged[key]
      return (value) => {
        const isRight = value === undefined || (typeof value === "number" && value >= least)
        if (!isRight) violations.push(`${JSON.stringify(value)} under ${key} although ${least} was written before`)
      }
    },
    end: gate.open,
    running: () => loads.size,
    runningInterruptibly: () => [...loads].filter(({ isInterruptible }) => isInterruptible).length,
    violations
  }
}
