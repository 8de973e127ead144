/**
 * Where commands go.
 */
import type { Effect } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"

/** See `RedisConnection`. */
export interface Routing extends Pick<
  RedisConnection.RedisConnection,
  | "status"
  | "problem"
  | "breakerState"
  | "command"
  | "isCluster"
  | "partOf"
  | "servers"
  | "layout"
  | "onChange"
  | "losses"
  | "beat"
  | "isWhole"
> {
  /** Waits until a first attempt to connect has ended, well or not. */
  readonly attempted: Effect.Effect<void>
}
