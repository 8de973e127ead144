/**
 * One atomic step over a few keys, written twice: in Lua for Redis, in TypeScript for memory.
 *
 * **Details**
 *
 * Both bodies read and write the same keys, take the same arguments and the same clock, and give the same reply, so that
 * what is built on scripts (counters, locks, limits) means the same on every backend. Rules for the Lua body:
 *
 * - `KEYS` are all keys it touches; on Redis Cluster they share a slot.
 * - `ARGV` are the arguments that `args` returns, then the time in microseconds. On Redis that last one is
 *   empty and the body asks `TIME`; tests pass a number. Reading it is the body's business.
 * - Numbers above 2^31 are formatted with `string.format("%.0f", x)`: Lua's own text form loses digits.
 *
 * A script that others wait for can wake them: what it gives to `wake`, a list of names, is told to all listeners of the bus as a
 * message of kind `woken`, in the same step. Messages may be lost; who waits looks by itself now and then.
 */

/**
 * The keys of a script in memory: what `redis.call` is to its Lua body. `index` counts from 0.
 *
 * **Details**
 *
 * A state is a plain value, frozen when it is stored: a reducer stores a new one instead of changing one in place.
 */
export interface Slots<State> {
  readonly get: (index: number) => State | undefined
  /** Stores a state; without `ttlMillis` the key keeps the deadline it has. */
  readonly set: (index: number, state: State, ttlMillis?: number) => void
  readonly delete: (index: number) => void
}

export interface Script<State, Args, Reply> {
  /** Unique among the scripts of a program. */
  readonly name: string
  /** What its keys hold. A key that holds something else fails with `WrongType`, as it does in Redis. */
  readonly type: string
  readonly lua: string
  readonly args: (args: Args) => ReadonlyArray<string | number>
  /** Reads the answer of the Lua body; throws a `CacheError` for one that cannot be. */
  readonly reply: (raw: unknown) => Reply
  /** `now` is in microseconds. Throws a `CacheError` where the Lua body returns an error. */
  readonly reducer: (slots: Slots<State>, args: Args, now: number, wake: Wake) => Reply
  /**
   * Whether nothing is done once its caller has given up, where that can be known: for what would have to be taken back. What
   * comes late fails with `Timeout`. The Lua body then has one more argument behind the time.
   */
  readonly expires?: boolean | undefined
  /** Whether it may wake. The Lua body then has a function `wake`, and two more arguments at the end, which are for that. */
  readonly wakes?: boolean | undefined
}

/** Tells those who wait under these names to look again; when the writes of the script are done. */
export type Wake = (names: ReadonlyArray<string>) => void

/** Infers the types of a script from its parts. */
export const make = <State, Args, Reply>(script: Script<State, Args, Reply>): Script<State, Args, Reply> => script
