/**
 * What a test can order of a worker process, and what the worker answers.
 */
import { Schema } from "effect"

/** How a worker opens its cache. Each has one. */
export const Open = Schema.TaggedStruct("Open", {
  url: Schema.String,
  busUrl: Schema.String,
  stalenessMillis: Schema.Finite,
  commandTimeoutMillis: Schema.Finite
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

export const Order = Schema.Union([
  Open,
  Load,
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
  stats: Stats,
  /** Unhandled rejections and uncaught exceptions. */
  accidents: Schema.Array(Schema.String)
})
export type Report = typeof Report.Type

/** What a worker sends: the answer to an order, or a write that was acknowledged, in case that it does not live to report it. */
export const FromWorker = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Acknowledged", { write: Write }),
  Schema.TaggedStruct("Done", { id: Schema.Finite }),
  Schema.TaggedStruct("Counted", { id: Schema.Finite, stats: Stats }),
  Schema.TaggedStruct("Reported", { id: Schema.Finite, report: Report }),
  Schema.TaggedStruct("Failed", { id: Schema.Finite, message: Schema.String })
])
export type FromWorker = typeof FromWorker.Type
export type Answer = Extract<FromWorker, { readonly id: number }>

export const ToWorker = Schema.Struct({ id: Schema.Finite, order: Order })
