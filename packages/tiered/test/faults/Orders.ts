/**
 * What a test can order of a worker process, and what the worker answers.
 */
import { Schema } from "effect"
import * as Fetches from "./Fetches.ts"

const Addresses = Schema.Array(Schema.Struct({ host: Schema.String, port: Schema.Finite }))

/** Where a worker connects, see `RedisConnection.Options`. */
const Redis = Schema.Union([
  Schema.Struct({ url: Schema.String, busUrl: Schema.String }),
  Schema.Struct({ cluster: Addresses }),
  Schema.Struct({ sentinels: Addresses, name: Schema.String })
])

/** How a worker opens its cache. Each has one. */
export const Open = Schema.TaggedStruct("Open", {
  redis: Redis,
  stalenessMillis: Schema.Finite,
  commandTimeoutMillis: Schema.Finite,
  /** Takes leases for that long, whatever the policies of its loads say. */
  leaseMillis: Schema.optional(Schema.Finite)
})

/** Reads and writes at random until it is stopped. */
export const Load = Schema.TaggedStruct("Load", {
  seed: Schema.Finite,
  /** Keys to read, each tick a few of them, whether or not the reads of earlier ticks have been answered. */
  reads: Schema.Array(Schema.String),
  readEveryMillis: Schema.Finite,
  /** Keys to write, one after the other: nobody else may write them, if their order is to be known. */
  writes: Schema.Array(Schema.String),
  writeEveryMillis: Schema.Finite,
  /** The shares of writes that push their value to other processes, and that delete. */
  pushShare: Schema.Finite,
  deleteShare: Schema.Finite
})

/** One operation. Writes number themselves. */
export const Operation = Schema.Union([
  Schema.TaggedStruct("Get", { key: Schema.String }),
  Schema.TaggedStruct("GetMany", { keys: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Set", { key: Schema.String, push: Schema.Boolean }),
  Schema.TaggedStruct("SetMany", { keys: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Delete", { key: Schema.String })
])
export type Operation = typeof Operation.Type

/** Operations at moments of the shared clock, none of which waits for another. */
export const Script = Schema.TaggedStruct("Script", {
  steps: Schema.Array(Schema.Struct({ at: Schema.Finite, operation: Operation }))
})

/** Begins the keys of fetches and changes in Redis, where they are `{prefix}:{key}`. */
export const PREFIX = "t"

/** How values are loaded, see `LoadPolicy`; times in milliseconds. */
export const Policy = Schema.Struct({
  ttl: Schema.optional(Schema.Finite),
  grace: Schema.optional(Schema.Finite),
  backoff: Schema.optional(Schema.Finite),
  refreshAhead: Schema.optional(Schema.Finite),
  hardTimeout: Schema.optional(Schema.Finite),
  staleWhileRevalidate: Schema.optional(Schema.Boolean)
})
export type Policy = typeof Policy.Type

/** Gets the value of a key for several callers at once; the origin is asked for what the cache does not have. */
export const Fetch = Schema.TaggedStruct("Fetch", { key: Schema.String, callers: Schema.Finite, policy: Policy })

/** Changes the value of a key at the origin, and then tells the cache. */
const Change = Schema.TaggedStruct("Change", { key: Schema.String, by: Fetches.How })

/** Gets and changes values at random until it is stopped. */
export const Traffic = Schema.TaggedStruct("Traffic", {
  seed: Schema.Finite,
  /** Each is read in turn by several callers, with one of the policies, whether or not those before have been answered. */
  reads: Schema.Array(Schema.String),
  policies: Schema.NonEmptyArray(Policy),
  readEveryMillis: Schema.Finite,
  /** Nobody else may change them, if their order is to be known. */
  changes: Schema.Array(Schema.String),
  changeEveryMillis: Schema.Finite
})

export const Order = Schema.Union([
  Open,
  Load,
  Fetch,
  Change,
  Traffic,
  /** Asks what L1 serves for a key, and then what L2 has. */
  Schema.TaggedStruct("Inspect", { key: Schema.String }),
  /** Ends all loads; done when what they began has settled. */
  Schema.TaggedStruct("Stop", {}),
  Script,
  /** Keeps the event loop busy, and reads before anything that arrived meanwhile is handled. */
  Schema.TaggedStruct("Block", { millis: Schema.Finite, reads: Schema.Array(Schema.String) }),
  /** Waits until L1 is trusted and no write is in doubt. */
  Schema.TaggedStruct("Settle", {}),
  /** Asks for each key what it sees, and what L2 has. */
  Schema.TaggedStruct("Look", { keys: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Stats", {}),
  Schema.TaggedStruct("Report", {}),
  /** Ends the cache and the channel, upon which the process has to end by itself. */
  Schema.TaggedStruct("Close", {})
])
export type Order = typeof Order.Type

const Version = Schema.Struct({ writer: Schema.String, n: Schema.Finite })
const Tier = Schema.Literals(["l1", "l2"])
const operation = {
  process: Schema.String,
  key: Schema.String,
  start: Schema.Number,
  end: Schema.Number,
  settled: Schema.Literals(["in time", "late", "never"])
}

const Read = Schema.Struct({
  op: Schema.Literal("read"),
  ...operation,
  result: Schema.Literals(["found", "absent", "failed"]),
  version: Schema.UndefinedOr(Version),
  tier: Schema.UndefinedOr(Tier)
})

const Write = Schema.Struct({
  op: Schema.Literal("write"),
  ...operation,
  result: Schema.Literals(["acknowledged", "failed"]),
  version: Version
})

const Final = Schema.Struct({
  process: Schema.String,
  key: Schema.String,
  tier: Schema.UndefinedOr(Tier),
  version: Schema.UndefinedOr(Version),
  fresh: Schema.UndefinedOr(Version)
})

/** What the protocol counted. */
export const Stats = Schema.Struct({
  state: Schema.String,
  trustLapses: Schema.Finite,
  messages: Schema.Finite,
  updated: Schema.Finite,
  refusedFills: Schema.Finite,
  repeatedDeletes: Schema.Finite,
  epochs: Schema.Record(Schema.String, Schema.Finite),
  unacknowledged: Schema.Finite
})
export type Stats = typeof Stats.Type

export const Report = Schema.Struct({
  operations: Schema.Array(Schema.Union([Read, Write])),
  finals: Schema.Array(Final),
  fetches: Schema.Array(Fetches.Fetch),
  changes: Schema.Array(Fetches.Change),
  /** The greatest age that an announcement had when it was heard. */
  hearingMillis: Schema.Finite,
  stats: Stats
})
export type Report = typeof Report.Type

/** A value of the origin in the two tiers of a worker's cache. */
export const Held = Schema.Struct({ l1: Schema.UndefinedOr(Schema.Finite), l2: Schema.UndefinedOr(Schema.Finite) })

/** A question to the origin. */
export const Asked = Schema.TaggedStruct("Asked", {
  question: Schema.Finite,
  key: Schema.String,
  to: Schema.Literals(["read", "write"])
})

/**
 * What a worker sends: the answer to an order; a write that was acknowledged, in case that it does not live to report it; a question to
 * the origin.
 */
export const FromWorker = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Acknowledged", { write: Write }),
  Asked,
  Schema.TaggedStruct("Done", { id: Schema.Finite }),
  Schema.TaggedStruct("Counted", { id: Schema.Finite, stats: Stats }),
  Schema.TaggedStruct("Fetched", { id: Schema.Finite, fetches: Schema.Array(Fetches.Fetch) }),
  Schema.TaggedStruct("Inspected", { id: Schema.Finite, held: Held }),
  Schema.TaggedStruct("Reported", { id: Schema.Finite, report: Report }),
  /** With unhandled rejections and uncaught exceptions. */
  Schema.TaggedStruct("Closed", { id: Schema.Finite, accidents: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Failed", { id: Schema.Finite, message: Schema.String })
])
export type FromWorker = typeof FromWorker.Type
export type Answer = Extract<FromWorker, { readonly id: number }>

/** What the origin answers: the version of a value, or nothing, which is an error. */
const Told = Schema.TaggedStruct("Told", { question: Schema.Finite, version: Schema.UndefinedOr(Schema.Finite) })

export const ToWorker = Schema.Union([Schema.TaggedStruct("Ordered", { id: Schema.Finite, order: Order }), Told])
