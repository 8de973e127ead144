/**
 * The one typed error of tiercache.
 */
import { Effect, Schema } from "effect"

/**
 * Why an operation failed.
 *
 * **Details**
 *
 * - `Unavailable`: the store cannot be reached, or refused the command (port refused, connection lost, wrong password).
 * - `Timeout`: the store did not answer within the deadline; a write may or may not have happened.
 * - `Refused`: the store answered that it does not do it: missing rights, no memory left, a command that it does not know. Of an
 *   operation on many keys, a part may be done.
 * - `Encode`: the value cannot be stored (a function, a symbol, a cycle, a value its schema refuses).
 * - `Decode`: an answer of the store has a form that no version of tiercache writes.
 * - `WrongType`: the key holds something else (a lock, a counter's text, a Redis list).
 * - `Unsupported`: the backend declares that it cannot do this.
 * - `LoadFailed`: another process, or an earlier caller, tried to load the value and failed, and nobody is to try again yet.
 * - `InvalidKey`: a key or a key part that cannot be a key (empty, ill-formed Unicode).
 * - `InvalidOption`: an option out of its range (a TTL of zero, a malformed URL).
 */
export const Reason = Schema.Literals([
  "Unavailable",
  "Timeout",
  "Refused",
  "Encode",
  "Decode",
  "WrongType",
  "Unsupported",
  "LoadFailed",
  "InvalidKey",
  "InvalidOption"
])

/** @see {@link Reason} */
export type Reason = typeof Reason.Type

/**
 * What every operation of a cache can fail with.
 *
 * **Details**
 *
 * `operation` is the operation that failed, `reason` is for programs, `message` for people.
 *
 * **Gotchas**
 *
 * Neither keys nor values nor credentials are part of an error, so that it can be logged as it is; keys are with the switch `logKeys`.
 */
export class CacheError extends Schema.TaggedError<CacheError>()("CacheError", {
  reason: Reason,
  operation: Schema.String,
  message: Schema.String
}) {}

/** Makes a `CacheError`: `make("set", "Encode", "a function cannot be stored")`. */
export const make = (operation: string, reason: Reason, message: string): CacheError =>
  new CacheError({ operation, reason, message })

/** Whether a value is a `CacheError`. */
export const isCacheError = Schema.is(CacheError)

/** As `Effect.suspend`, where a `CacheError` that is thrown is a failure. Whatever else is thrown is a defect. */
export const suspend = <A, E, R>(f: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | CacheError, R> =>
  Effect.suspend((): Effect.Effect<A, E | CacheError, R> => {
    try {
      return f()
    } catch (error) {
      return isCacheError(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

/** A synchronous step that throws `CacheError`s, as an Effect that fails with them. */
export const attempt = <A>(f: () => A): Effect.Effect<A, CacheError> => suspend(() => Effect.succeed(f()))
