/**
 * What an algorithm of rate limits consists of: a step in Lua, the same step in TypeScript, and the reading of its answer.
 *
 * Both steps get the same numbers and answer with the same numbers. What follows from these (how much remains, when to try again)
 * is derived once, in TypeScript, for all backends. All numbers are integers below 2^53, on which doubles are exact in both
 * languages; the ranges of `RateLimit` see to that.
 */

import type { Script } from "@tiercache/core"
import type { Lua } from "./rateLimitLua.ts"

/**
 * What the key of a subject holds. A key that holds something else than an algorithm expects counts as empty. A bare number is the
 * theoretical arrival time of GCRA: there are the most of these, and a number takes the least space and need not be frozen.
 */
export type State =
  | number
  | { readonly kind: "fixedWindow"; readonly ends: number; readonly count: number }
  | { readonly kind: "slidingCounter"; readonly index: number; readonly count: number; readonly previous: number }
  /** Newest first. */
  | { readonly kind: "exactLog"; readonly stamps: ReadonlyArray<number> }
  | { readonly kind: "concurrency"; readonly ends: ReadonlyMap<string, number> }
  | { readonly kind: "blocked"; readonly ends: number; readonly length: number }

/** Where a step writes: the key of one policy and subject is at an index. */
export type Slots = Script.Slots<State>

/** What a call wants of a policy. */
export interface Ask {
  readonly kind: "consume" | "check" | "increment" | "refund"
  /** Units to count: above zero to use them up, below to give them back, zero to look. */
  readonly amount: number
  /** Units that the answer is about. */
  readonly cost: number
  /** Of the limit, that the call may use up. */
  readonly share: number
  /** How long the caller would wait. */
  readonly waitMicros: number
}

/** An `Ask`, and the arguments it has for the algorithm of its policy. */
export interface Question {
  readonly ask: Ask
  readonly args: ReadonlyArray<number>
}

/** Where a policy stands, as a step of an algorithm answers: how it was decided, then numbers of its own. */
export type Reply = ReadonlyArray<number>

/** The first number of a reply. */
export const DENIED = 0
export const GRANTED = 1
/** The second number is then the time left, in microseconds. */
export const BLOCKED = 2

/** Decided, but not yet counted: with several policies, all or none of them count. */
export interface Step {
  readonly isGranted: boolean
  /** Counts, if it was granted and is to `take`; and answers. */
  readonly finish: (take: boolean) => Reply
}

/** What a reply means, in units and microseconds. */
export interface Outcome {
  readonly isAllowed: boolean
  readonly remaining: number
  readonly retry: number
  readonly delay: number
  readonly next: number
  readonly reset: number
}

export interface Algorithm<Policy> {
  readonly lua: Lua
  /** Reads a reply that is one integer. */
  readonly reply?: ((raw: number) => Reply) | undefined
  readonly args: (policy: Policy, ask: Ask) => ReadonlyArray<number>
  /** The Lua again, of what is under the key at an index. `now` is in microseconds. */
  readonly step: (
    state: State | undefined,
    slots: Slots,
    index: number,
    args: ReadonlyArray<number>,
    now: number
  ) => Step
  readonly outcome: (policy: Policy, ask: Ask, reply: Reply) => Outcome
}

/** 0.29 · 100 is a little less than 29: by so much a product of doubles can be too small. */
const ROUNDING = 1 + 2 * Number.EPSILON

/** The whole units of a limit that a call, or a process, may use up. */
export const shareOf = (limit: number, share: number): number => Math.max(1, Math.floor(limit * share * ROUNDING))

/** Whether the call is allowed: one that was to be counted if it was; any other if there is nothing to wait for. */
export const isAllowed = ({ kind }: Ask, status: number | undefined, retry: number): boolean =>
  kind === "consume" ? status === GRANTED : retry <= 0
