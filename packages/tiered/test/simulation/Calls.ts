/**
 * What calls do with the cache of a process.
 */
import { type CacheBackend, type Entry, KeyPattern, Loader, type LoadPolicy } from "@tiercache/core"
import { Duration, Effect } from "effect"
import type { Found, Operation } from "./History.ts"
import type { Readers } from "./Readers.ts"
import type { Call, Lifetime, LoadOptions, PolicyOptions, WriteOptions } from "./Step.ts"
import { codec } from "./Values.ts"

const LIFETIMES = { long: "1 hour", short: "150 millis" } as const satisfies Record<Lifetime, string>

/** How much longer what has a grace is there. */
const GRACE = "100 millis"

/** In milliseconds: what is loaded soon expires, and is stale for longer, because that is what is interesting about it. */
const LOADED = { long: 3_600_000, short: 50 } as const satisfies Record<Lifetime, number>
const LOADED_GRACE = 150

/** Times of a `LoadPolicy` that a schedule is likely to reach, in milliseconds. */
const TIMES = { hardTimeout: 120, softTimeout: 20, refreshAhead: 20, backoff: 40 } as const

export interface Parts {
  readonly backend: CacheBackend.CacheBackend["Service"]
  /** There if any call has loaded. */
  readonly readers: Readers | undefined
  readonly nextValue: () => number
}

export type Results = ReadonlyArray<readonly [key: string, found: Found | undefined]>

export const perform = (parts: Parts, call: Call): Effect.Effect<Results, unknown> => {
  const { backend, nextValue, readers } = parts
  switch (call.call) {
    case "get":
      return Effect.map(backend.get(call.key, codec, { fresh: call.fresh }), (entry) => [[call.key, foundOf(entry)]])
    case "getMany":
      return Effect.map(backend.getMany(call.keys, codec, { fresh: call.fresh }), (entries) =>
        call.keys.map((key, index) => [key, foundOf(entries[index])])
      )
    case "load":
      return Effect.map(needed(readers).byHand.read(call.key, loadOptions(call.options)), (found) => [
        [call.key, found]
      ])
    case "getOrLoad":
    case "getManyOrLoad":
    case "refresh":
      return readThrough(needed(readers), call)
    case "set":
      return write(parts, [call.key], backend.set(call.key, codec, nextValue(), setOptions(call.options)))
    case "setMany": {
      const entries = call.keys.map((key) => [key, nextValue()] as const)
      return write(parts, call.keys, backend.setMany(entries, codec, setOptions(call.options)))
    }
    case "delete":
      return write(parts, [call.key], backend.delete(call.key))
    case "deleteMany":
      return write(parts, call.keys, backend.deleteMany(call.keys))
    case "expire":
      return write(parts, [call.key], backend.expire(call.key, LIFETIMES[call.ttl]))
    case "deletePattern":
      return backend
        .deletePattern(KeyPattern.ofGlob("*"))
        .pipe(Effect.ensuring(Effect.sync(() => readers?.readThrough.onWrittenPattern("*"))), Effect.as([]))
  }
}

/** As an `EntityCache` does it, which cannot be told how to announce each write. */
const write = <E>({ readers }: Parts, keys: ReadonlyArray<string>, effect: Effect.Effect<unknown, E>) =>
  effect.pipe(Effect.ensuring(Effect.sync(() => readers?.readThrough.onWritten(keys))), Effect.as([]))

const readThrough = (
  { caches, load }: Readers,
  call: Extract<Call, { readonly call: "getOrLoad" | "getManyOrLoad" | "refresh" }>
): Effect.Effect<Results, unknown> => {
  const cache = caches[call.options.push === true ? "update" : "invalidate"]
  const policy = policyOf(call.options)
  switch (call.call) {
    case "getOrLoad":
      return Effect.map(cache.lookup(call.key, load(call.key), policy), ({ stale, tier, value }) => [
        [call.key, { value, tier, isDistrusted: false, isStale: stale }]
      ])
    case "refresh":
      return Effect.map(cache.refresh(call.key, load(call.key), policy), (value) => [[call.key, byLoader(value)]])
    case "getManyOrLoad": {
      const loadOne = (key: string) =>
        load(key).pipe(
          Effect.catch((error) => Effect.succeed(Loader.failed(error))),
          Effect.map((answer) => [key, answer] as const)
        )
      const loadAll = (keys: ReadonlyArray<string>) => Effect.forEach(keys, loadOne, { concurrency: "unbounded" })
      return Effect.map(cache.getManyOrLoad(call.keys, loadAll, policy), (values) =>
        [...values].flatMap(([key, value]) => (value === undefined ? [] : [[key, byLoader(value)] as const]))
      )
    }
  }
}

const needed = (readers: Readers | undefined): Readers => {
  if (readers === undefined) throw new Error("nothing was made to load with")
  return readers
}

/** Where it was found is not told. */
const byLoader = (value: number): Found => ({ value, tier: "loader", isDistrusted: false, isStale: false })

export const kindOf = ({ call }: Call): Operation["kind"] => {
  if (call === "get" || call === "getMany") return "read"
  if (call === "load" || call === "getOrLoad" || call === "getManyOrLoad" || call === "refresh") return "load"
  return call === "deletePattern" ? call : "write"
}

/** Whether the database is changed before, for certain: an `expire` says nothing about the value, a condition may not be met. */
export const changesDatabase = (call: Call): boolean => {
  if (call.call === "expire" || ("options" in call && "only" in call.options)) return false
  const kind = kindOf(call)
  return kind === "write" || kind === "deletePattern"
}

const foundOf = (entry: Entry.Entry<number> | undefined): Found | undefined =>
  entry?.value === undefined
    ? undefined
    : { value: entry.value, tier: entry.tier, isDistrusted: entry.isDistrusted === true, isStale: false }

const setOptions = ({ grace, only, push, ttl }: WriteOptions): CacheBackend.SetOptions => ({
  ttl: LIFETIMES[ttl ?? "long"],
  grace: grace === true ? GRACE : undefined,
  only,
  push
})

const loadOptions = ({ always, backoff, grace, push, ttl }: LoadOptions) => ({
  always: always === true,
  ttlMillis: LOADED[ttl ?? "long"],
  graceMillis: grace === true ? LOADED_GRACE : 0,
  push: push === true,
  backoffMillis: backoff === true ? TIMES.backoff : 0
})

const policyOf = (options: PolicyOptions): LoadPolicy.Options<number> => {
  const { background, grace, staleWhileRevalidate, ttl } = options
  const given = (time: keyof typeof TIMES) => (options[time] === true ? Duration.millis(TIMES[time]) : undefined)
  return {
    ttl: Duration.millis(LOADED[ttl ?? "long"]),
    grace: grace === true ? Duration.millis(LOADED_GRACE) : undefined,
    staleWhileRevalidate,
    background,
    hardTimeout: given("hardTimeout"),
    softTimeout: given("softTimeout"),
    refreshAhead: given("refreshAhead"),
    backoff: given("backoff")
  }
}
