/**
 * One question that the bench answers.
 */
import type { Effort } from "./measure.ts"
import type { Servers } from "./Servers.ts"

export interface Context {
  readonly servers: Servers
  readonly effort: Effort
  readonly isFull: boolean
  readonly progress: (text: string) => void
}

/** A number, and what it is of. */
export interface Measurement {
  /** Who. */
  readonly name: string
  /** What was done. */
  readonly workload: string
  readonly value: number
  readonly unit: Unit
  /** Over the rounds, if there was more than one. */
  readonly spread?: readonly [number, number]
}

/** Of times and sizes less is better, of rates more. */
export type Unit = "ns" | "µs" | "ms" | "bytes" | "kB" | "commands" | "loads" | "stale reads" | "per second" | "%"

export interface Suite {
  readonly name: string
  readonly title: string
  readonly run: (context: Context) => Promise<ReadonlyArray<Measurement>>
}

export const isMoreBetter = (unit: Unit): boolean => unit === "per second" || unit === "%"
