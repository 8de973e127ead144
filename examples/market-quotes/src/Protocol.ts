/**
 * What the parent process and its children say to each other.
 */
import { Schema } from "effect"
import { Report, View } from "./Report.ts"

/** What a child does, given to it when it is started. Where Redis is, it learns from its environment. */
export const Job = Schema.Struct({
  name: Schema.String,
  prefix: Schema.String,
  symbols: Schema.Array(Schema.String),
  rate: Schema.Finite,
  readers: Schema.Finite
})

/** @see {@link Job} */
export type Job = typeof Job.Type

/** From the parent. `start` and `stop` are said once; `view` is answered each time. The end of the channel ends the child. */
export const Command = Schema.Literals(["start", "stop", "view"])

/** @see {@link Command} */
export type Command = typeof Command.Type

/** From a child. `ready` when it can start, then a `report` now and then, and the last one as `stopped`. */
export const Message = Schema.Union([
  Schema.TaggedStruct("ready", {}),
  Schema.TaggedStruct("report", { report: Report }),
  Schema.TaggedStruct("stopped", { report: Report }),
  Schema.TaggedStruct("view", { view: View }),
  Schema.TaggedStruct("failed", { problem: Schema.String })
])

/** @see {@link Message} */
export type Message = typeof Message.Type

const JobJson = Schema.fromJsonString(Job)
export const encodeJob = Schema.encodeSync(JobJson)
export const decodeJob = Schema.decodeUnknownSync(JobJson)
export const decodeCommand = Schema.decodeUnknownSync(Command)
export const decodeMessage = Schema.decodeUnknownSync(Message)
