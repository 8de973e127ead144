/**
 * Hits and loaded values as callers see them.
 */
import { Duration } from "effect"
import type { Lookup } from "../EntityCache.ts"
import type * as Entry from "../Entry.ts"
import type { Found } from "./flights.ts"

export const ofEntry = <A>(entry: Entry.Entry<A>, now: number): Lookup<A | undefined> => ({
  value: entry.value,
  tier: entry.tier,
  stale: !isHit(entry, now) || entry.isDistrusted === true,
  superseded: false,
  expiresIn: timeUntil(entry.freshUntil, now)
})

export const ofFound = <A>(value: A, found: Found, now: number): Lookup<A> => ({
  value,
  tier: found.tier,
  // what was just loaded is not stale, though an absence that is not to be remembered has no TTL
  stale: found.tier !== "loader" && now >= found.freshUntil,
  superseded: found.isSuperseded,
  expiresIn: timeUntil(found.freshUntil, now)
})

/** Whether an entry is what a read without further ado returns. */
export const isHit = <A>(entry: Entry.Entry<A>, now: number): boolean => now < entry.freshUntil

const timeUntil = (deadline: number, now: number) => Duration.millis(Math.max(0, deadline - now))
