/**
 * Values that say which write they are of.
 */
import { quoteOf } from "../quotes.ts"
import type { Value } from "../rivals/Rival.ts"

export const versioned = (key: string, version: number): Value => ({ ...quoteOf(key), last: version })

/** What all processes of the machine have in common: its monotonic clock, in milliseconds. */
export const now = () => Number(process.hrtime.bigint()) / 1e6
