/**
 * Where values are loaded from, with a gate that a test opens.
 */
import { Data, Effect, Latch } from "effect"
import type * as Loader from "../../Loader.ts"

/** What a source fails with. */
export class SourceDown extends Data.TaggedError("SourceDown")<{ readonly call: number }> {}

export interface Source<A, E = never> {
  /** The loader. */
  readonly load: (context: Loader.Context<unknown>) => Effect.Effect<A, E>
  /** Lets loads end: those that wait, and those to come. */
  readonly open: Effect.Effect<void>
  /** Makes loads wait that begin from now on. */
  readonly shut: Effect.Effect<void>
  /** How many loads have begun. */
  readonly calls: () => number
  readonly running: () => number
  /** How many have run at once. */
  readonly peak: () => number
  readonly interrupted: () => number
  /** What the last one was told. */
  readonly told: () => Loader.Context<unknown> | undefined
}

/** What a source answers, by the number of the call, which counts from 1. */
export type Answer<A, E> = (call: number, context: Loader.Context<unknown>) => Effect.Effect<A, E>

const make = <A, E>(isOpen: boolean, answer: Answer<A, E>): Source<A, E> => {
  const gate = Latch.makeUnsafe(isOpen)
  const counts = { calls: 0, running: 0, peak: 0, interrupted: 0 }
  let told: Loader.Context<unknown> | undefined
  return {
    load: (context) =>
      Effect.suspend(() => {
        const call = ++counts.calls
        counts.peak = Math.max(counts.peak, ++counts.running)
        told = context
        return Effect.andThen(
          gate.await,
          Effect.suspend(() => answer(call, context))
        )
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => counts.interrupted++)),
        Effect.ensuring(Effect.sync(() => counts.running--))
      ),
    open: gate.open,
    shut: gate.close,
    calls: () => counts.calls,
    running: () => counts.running,
    peak: () => counts.peak,
    interrupted: () => counts.interrupted,
    told: () => told
  }
}

/** Answers at once. */
export const ready = <A, E = never>(answer: Answer<A, E>): Source<A, E> => make(true, answer)

/** Answers when it is let. */
export const gated = <A, E = never>(answer: Answer<A, E>): Source<A, E> => make(false, answer)

/** Answers with `name 1`, `name 2` and so on. */
export const numbered = (name: string) => (call: number) => Effect.succeed(`${name} ${call}`)

export const down = (call: number) => Effect.fail(new SourceDown({ call }))
