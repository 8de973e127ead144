/**
 * Why a section under a lock or semaphore did not run, or does not count. `lock` is its name; messages are without it, since ids may
 * be part of it.
 */
import { Schema } from "effect"

/** Others had it for as long as the caller would wait. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  lock: Schema.String
}) {
  override get message(): string {
    return "others had the lock for all the time to wait"
  }
}

/**
 * It was had, and is no longer: it was not renewed in time, or somebody deleted it. Somebody else may have it.
 *
 * **Details**
 *
 * `phase` tells when that was noticed: at `ensure`, while the `section` ran, which was interrupted, or when it had come to its
 * end, at the `release`. In the last two cases `exit` is how the section ended: what it did may have been done by two at a
 * time, and what it returned is not lost.
 */
export class LockLost extends Schema.TaggedError<LockLost>()("LockLost", {
  lock: Schema.String,
  phase: Schema.Literals(["ensure", "section", "release"]),
  exit: Schema.optional(Schema.Exit(Schema.Unknown, Schema.Unknown, Schema.Unknown))
}) {
  override get message(): string {
    return `the lock was lost, which was noticed at: ${this.phase}`
  }
}

/**
 * A section waits for the lock that it runs under. A defect, because no waiting would help: it asks for `reentrant: true`, or for
 * another design.
 */
export class LockReentered extends Schema.TaggedError<LockReentered>()("LockReentered", {
  lock: Schema.String
}) {
  override get message(): string {
    return "a section waits for the lock that it runs under"
  }
}
