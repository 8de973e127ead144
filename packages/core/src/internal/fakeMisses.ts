/**
 * A backend of which a share of the reads finds nothing although there is something.
 *
 * A read is often several questions: who finds nothing by `peek` asks by `get`, or takes a lease. If chance decided about each, hardly
 * any read would miss in the end. So a question that has missed is noted, and the one that follows misses too.
 */
import { Effect, Fiber } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import type * as Lease from "../Lease.ts"

type Backend = CacheBackend.CacheBackend["Service"]

/** So many keys are noted at most. Forgetting one makes a read hit that would have missed. */
const MAX_NOTED = 10_000

/**
 * The questions of a read, in their order; any may be left out. The cache for promises peeks before it starts the fiber that does so
 * again. Who loads many asks for all of them before it takes leases.
 */
const PEEK = 0
const PEEK_IN_FIBER = 1
const PEEK_ENTRY = 2
const GET_MANY = 3
const LAST = 4

/** `random` is from 0 to 1, 1 excluded. */
export const make = (backend: Backend, rate: number, random: () => number): Backend => {
  /** Which question about a key was the last to miss. */
  const noted = new Map<string, number>()

  const misses = (key: string, question: number): boolean => {
    const last = noted.get(key)
    const isMiss = (last !== undefined && last < question) || random() < rate
    noted.delete(key)
    if (noted.size >= MAX_NOTED) noted.clear()
    if (isMiss && question !== LAST) noted.set(key, question)
    return isMiss
  }

  return {
    ...backend,
    peek: (key, codec) => {
      const value = backend.peek(key, codec)
      const question = Fiber.getCurrent() === undefined ? PEEK : PEEK_IN_FIBER
      return value === undefined || misses(key, question) ? undefined : value
    },
    peekEntry: (key, codec) => {
      const entry = backend.peekEntry(key, codec)
      return entry === undefined || misses(key, PEEK_ENTRY) ? undefined : entry
    },
    get: (key, codec, options) =>
      Effect.suspend(() => (misses(key, LAST) ? Effect.undefined : backend.get(key, codec, options))),
    getMany: (keys, codec, options) =>
      Effect.suspend(() => {
        // what is loaded is asked for past L1 first
        const question = options?.fresh === true ? GET_MANY : LAST
        const missing = keys.map((key) => misses(key, question))
        return Effect.map(backend.getMany(keys, codec, options), (entries) =>
          entries.map((entry, index) => (missing[index] === true ? undefined : entry))
        )
      }),
    leases: { ...backend.leases, take: takeOr(backend.leases, (key) => misses(key, LAST)) }
  }
}

/** Where a read misses, the lease is taken whatever there is, which the loader is not told of. */
const takeOr =
  ({ take }: Lease.Leases, misses: (key: string) => boolean): Lease.Leases["take"] =>
  (keys, codec, options) =>
    Effect.suspend(() => {
      const missing = options.when === "always" ? [] : keys.filter(misses)
      if (missing.length === 0) return take(keys, codec, options)
      const others = keys.filter((key) => !missing.includes(key))
      const taken = Effect.map(take(missing, codec, { ...options, when: "always" }), (leases) =>
        leases.map((lease) => (lease._tag === "Hit" ? lease : { ...lease, previous: undefined }))
      )
      return Effect.map(
        Effect.all([taken, others.length === 0 ? Effect.succeed([]) : take(others, codec, options)], {
          concurrency: "unbounded"
        }),
        ([ofMissing, ofOthers]) => {
          const byKey = new Map([
            ...missing.map((key, index) => [key, ofMissing[index]] as const),
            ...others.map((key, index) => [key, ofOthers[index]] as const)
          ])
          return keys.flatMap((key) => byKey.get(key) ?? [])
        }
      )
    })
