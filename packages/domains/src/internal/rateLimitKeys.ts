/**
 * The keys of subjects' counts: `{prefix}:ratelimit:{policy}:{subject}`.
 *
 * The braces make one Redis Cluster slot of all policies of a subject; those of users are encoded, so no other key has any there.
 */
import { CacheError, CacheKey } from "@tiercache/core"
import { Predicate } from "effect"

/** Some megabytes at most for each policy. Encoding a subject is cheap, so beyond it, all are forgotten at once. */
const MAX_SUBJECTS = 10_000

/** The keys of one policy. */
export const make = (prefix: string, policy: { readonly name: string }): ((subject: string) => string) => {
  const keys = new Map<string, string>()
  const prefixed = `${prefix}:ratelimit:${CacheKey.encodePart(policy.name)}:`

  const add = (subject: string): string => {
    if (!Predicate.isString(subject)) throw CacheError.make("RateLimiter", "InvalidKey", "a subject is a string")
    // joined, it is one text: what a template makes of parts is compared by its parts, whenever it is looked up
    const key = [prefixed, "{", CacheKey.encodePart(subject), "}"].join("")
    if (keys.size >= MAX_SUBJECTS) keys.clear()
    // the text of a subject that is too long for a key may be very long
    if (subject.length <= key.length) keys.set(subject, key)
    return key
  }
  return (subject) => keys.get(subject) ?? add(subject)
}
