/**
 * Random histories of callers, loaders and writers.
 */
import * as fc from "fast-check"
import type * as LoadPolicy from "../../LoadPolicy.ts"

export const KEYS = ["a", "b"] as const
const PROCESSES = 3

export type Key = (typeof KEYS)[number]

/** How a loader behaves: after which time it ends, never (until the history is over) if that is 0. */
export interface Behaviour {
  readonly millis: number
  readonly how: "succeeds" | "fails" | "finds nothing"
  readonly isInterruptible: boolean
}

export type Operation =
  | {
      readonly op: "getOrLoad" | "refresh" | "getManyOrLoad"
      readonly process: number
      readonly key: Key
      readonly options: keyof typeof OPTIONS
      readonly behaviour: Behaviour
    }
  | { readonly op: "get" | "set" | "delete" | "deletePattern" | "expire"; readonly process: number; readonly key: Key }
  /** Interrupts a caller, by its number. */
  | { readonly op: "interrupt"; readonly caller: number }
  | { readonly op: "pass"; readonly millis: number }
  | { readonly op: "close"; readonly process: number }

export interface History {
  readonly steps: ReadonlyArray<Operation>
  /** Whether callers are interrupted in the end; if not, the loaders end that hang. */
  readonly isAbandoned: boolean
}

const LIFE = { ttl: "1 second", grace: "2 seconds", backoff: "200 millis" } as const

/** Times are such that each limit is met before, during and after a load. */
export const OPTIONS = {
  plain: { ttl: "1 second" },
  remembered: { ttl: "1 second", negativeTtl: "500 millis" },
  background: { ttl: "1 second", background: true },
  limited: { ttl: "1 second", hardTimeout: "300 millis", backoff: "200 millis" },
  graced: LIFE,
  revalidated: { ...LIFE, staleWhileRevalidate: true },
  soft: { ...LIFE, softTimeout: "100 millis", hardTimeout: "1500 millis" },
  ahead: { ...LIFE, refreshAhead: "600 millis" }
} satisfies Record<string, LoadPolicy.Options<unknown>>

const process = fc.nat(PROCESSES - 1)
const key = fc.constantFrom(...KEYS)

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  millis: fc.constantFrom(0, 1, 50, 200, 400, 5000),
  how: fc.oneof(
    { weight: 4, arbitrary: fc.constant("succeeds" as const) },
    { weight: 2, arbitrary: fc.constant("fails" as const) },
    { weight: 1, arbitrary: fc.constant("finds nothing" as const) }
  ),
  isInterruptible: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) })
})

const load = fc.record({
  op: fc.constantFrom(
    "getOrLoad" as const,
    "getOrLoad" as const,
    "getOrLoad" as const,
    "refresh" as const,
    "getManyOrLoad" as const
  ),
  process,
  key,
  options: fc.constantFrom(
    "plain" as const,
    "remembered" as const,
    "background" as const,
    "limited" as const,
    "graced" as const,
    "revalidated" as const,
    "soft" as const,
    "ahead" as const
  ),
  behaviour
})

const write = fc.record({
  op: fc.constantFrom("get" as const, "set" as const, "delete" as const, "deletePattern" as const, "expire" as const),
  process,
  key
})

const steps: fc.Arbitrary<History["steps"]> = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: load },
    { weight: 4, arbitrary: write },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("interrupt" as const), caller: fc.nat(30) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constant("pass" as const),
        millis: fc.constantFrom(1, 49, 50, 100, 200, 500, 1000)
      })
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("close" as const), process }) }
  ),
  { minLength: 2, maxLength: 40, size: "max" }
)

export const arbitrary: fc.Arbitrary<History> = fc.record({ steps, isAbandoned: fc.boolean() })
