/**
 * A cache as the bench uses it. Each rival is one file, set up as its own documentation has it for several processes: an L1, Redis
 * behind it, and a bus where it has one. A library is loaded when it is opened, so that a process has only those that it measures.
 */
import type { Market } from "tiercache"

/** What is cached: the same object for all. */
export type Value = Market.Quote

interface Options {
  readonly redisUrl: string
  /** Without an L1 every read asks Redis. */
  readonly l1: boolean
}

export interface Rival {
  readonly name: string
  /** Where it keeps values; "either" is one of the two at a time. */
  readonly tiers: "L1" | "L2" | "either" | "both"
  /** Whether its L1 hears of what other processes write. */
  readonly hasBus: boolean
  /** Whether who changes a value that was read changes what the next one reads: how most are fast. */
  readonly sharesValues: boolean
  /** Another one of these, without the isolation that it has by default. Only hits of L1 are measured with both. */
  readonly variantOf?: string
  readonly open: (options: Options) => Promise<Opened>
}

/** What it cannot do is left out. */
export interface Opened {
  readonly get: (key: string) => Promise<Value | undefined>
  /** Synchronous, from L1 alone. */
  readonly peek?: (key: string) => Value | undefined
  readonly getOrLoad?: (key: string, load: (key: string) => Promise<Value>) => Promise<Value | undefined>
  readonly getMany?: (keys: ReadonlyArray<string>) => Promise<unknown>
  readonly set: (key: string, value: Value) => Promise<unknown>
  readonly delete: (key: string) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** Long enough for any bench, in milliseconds. */
export const TTL = 3_600_000

/** Entries of each L1. */
export const MAX_ENTRIES = 100_000
