/**
 * What a test asks of a worker process, and what that answers.
 */
import { Schema } from "effect"

/** Holds a lock, writing as often as it can. */
export const Hold = Schema.TaggedStruct("Hold", {
  lock: Schema.String,
  ttlMillis: Schema.Finite,
  /** Asks `ensure` before each write; or relies on being interrupted; or does neither, until a write is refused. */
  manner: Schema.Literals(["careful", "careless", "deaf"])
})

/** Obtains a lock again and again, for a random time each, in several fibers. */
export const Contend = Schema.TaggedStruct("Contend", {
  lock: Schema.String,
  ttlMillis: Schema.Finite,
  fibers: Schema.Finite,
  rounds: Schema.Finite,
  mostMillis: Schema.Finite
})

export const Order = Schema.Union([
  Schema.TaggedStruct("Open", { url: Schema.String }),
  Hold,
  Contend,
  /** Blocks the event loop. */
  Schema.TaggedStruct("Block", { millis: Schema.Finite })
])
export type Order = typeof Order.Type

export const News = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Opened", {}),
  /** `at` is in milliseconds of a clock that all processes of a machine share. */
  Schema.TaggedStruct("Entered", { fence: Schema.Finite, at: Schema.Finite }),
  Schema.TaggedStruct("Left", { fence: Schema.Finite, at: Schema.Finite }),
  /** A write was acknowledged, or refused. */
  Schema.TaggedStruct("Wrote", { fence: Schema.Finite, outcome: Schema.String, at: Schema.Finite }),
  /** What an order came to: `ok`, or the name of its error. */
  Schema.TaggedStruct("Ended", { order: Schema.String, outcome: Schema.String, at: Schema.Finite })
])
export type News = typeof News.Type
