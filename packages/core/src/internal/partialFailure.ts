/**
 * Why a call for many values has not all of them. Apart from `EntityCache`, which is made of what throws it.
 */
import { Data } from "effect"

/** Of several values some could not be loaded. */
export class PartialFailure<out Id, out A, out E> extends Data.Error<{ readonly message: string }> {
  readonly _tag = "PartialFailure"
  /** What was found or loaded. */
  readonly values: ReadonlyMap<Id, A>
  /** Why the others were not. */
  readonly failures: ReadonlyMap<Id, E>
  constructor(values: ReadonlyMap<Id, A>, failures: ReadonlyMap<Id, E>) {
    super({ message: `${failures.size} of ${values.size + failures.size} values could not be loaded` })
    this.values = values
    this.failures = failures
  }
}
