/**
 * What loads a value that the cache does not have.
 */
import { Brand, Effect } from "effect"

/** What a loader is told. */
export interface Context<out A> {
  /** What the cache has although it is to be loaded: stale, or refreshed before its time. For conditional requests. */
  readonly previous: A | undefined
}

/**
 * A loader answers it if the value it was told as `previous` is still right. That starts a new TTL.
 *
 * **Details**
 *
 * Its type is no `unique symbol`: as the result of a function that is declared apart, TypeScript would take that for any symbol.
 */
export type NotModified = symbol & Brand.Brand<"@tiercache/core/Loader/NotModified">

/** @see {@link NotModified} */
export const notModified: NotModified = Brand.nominal<NotModified>()(Symbol.for("@tiercache/core/Loader/notModified"))

export const isNotModified = (answer: unknown): answer is NotModified => answer === notModified

/** `undefined` says that there is no value. */
export type Answer<A> = A | undefined | NotModified

/** An Effect, or how to make one from what the cache knows. */
export type Loader<A, B extends Answer<A>, E, R> =
  | Effect.Effect<B, E, R>
  | ((context: Context<A>) => Effect.Effect<B, E, R>)

/** What a caller gets from a loader with these answers. */
export type Loaded<A, B> = A | Extract<B, undefined>

/** Why one of several keys has no value; from a loader of many. */
export class Failed<out E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/** For the answer of a loader of many: this key could not be loaded. */
export const failed = <E>(error: E): Failed<E> => new Failed(error)

/**
 * Loads many values with one call. It is given the ids that are missing, and answers with what it found for each; an id that it leaves
 * out has no value.
 */
export type ManyLoader<Id, A, E, R> = (
  missing: ReadonlyArray<Id>
) => Effect.Effect<Iterable<readonly [id: Id, answer: A | undefined | Failed<E>]>, E, R>

/** The Effect of a loader. A function that throws is a defect of the Effect, as everywhere. */
export const toEffect = <A, B extends Answer<A>, E, R>(
  loader: Loader<A, B, E, R>,
  context: Context<A>
): Effect.Effect<B, E, R> => (Effect.isEffect(loader) ? loader : Effect.suspend(() => loader(context)))
