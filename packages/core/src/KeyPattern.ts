/**
 * Patterns over keys: `market:quote:*`.
 *
 * **Details**
 *
 * `*` stands for any run of characters, separators included, `?` for one character of the encoded key. Every other
 * character is literal, and encoded as it would be in a key, so the same pattern means the same on every backend.
 *
 * **Gotchas**
 *
 * Ids above 200 bytes are hashed in keys. They match a part without wildcards, which is hashed likewise, and a part that
 * is only `*`, but no part that names their beginning or end. Ids stand in a pattern as they are, not encoded; one with
 * `*`, `?` or `:` in it cannot be named.
 */
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"

export interface KeyPattern {
  /** The written forms of what it consists of, in Redis' syntax: of one pattern, one. */
  readonly globs: ReadonlyArray<string>
  /** One pattern that everything matches which matches any of them, and maybe more. */
  readonly glob: string
  /** Whether a whole key matches. Linear in the length of the key for each `*`. */
  readonly matches: (key: string) => boolean
}

/**
 * Compiles a pattern for the keys below a prefix.
 *
 * **Details**
 *
 * Throws a `CacheError` with reason `InvalidKey` for a pattern with an empty part.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { KeyPattern } from "@tiercache/core"
 *
 * KeyPattern.make("tradecore", "market:*").matches("tradecore:market:quote:AAPL") // => true
 * ```
 */
export const make = (prefix: string, pattern: string): KeyPattern => {
  return ofGlob([prefix, ...pattern.split(":").map(encodeGlob)].join(":"))
}

/** A pattern from its written form. */
export const ofGlob = (glob: string): KeyPattern => ({
  globs: [glob],
  glob,
  matches: (key) => matchesGlob(glob, key)
})

/** What matches one of several patterns, as one pattern. None at all match nothing. */
export const anyOf = (patterns: ReadonlyArray<KeyPattern>): KeyPattern => {
  const [only] = patterns
  if (only !== undefined && patterns.length === 1) return only
  const globs = [...new Set(patterns.flatMap(({ globs }) => globs))]
  return {
    globs,
    glob: globs.length > 1 ? `${commonBeginning(globs)}*` : (globs[0] ?? ""),
    matches: (key) => patterns.some(({ matches }) => matches(key))
  }
}

/** What matches one pattern and not the other. It is announced as the first one, so an L1 may lose more than the store does. */
export const except = (pattern: KeyPattern, excluded: KeyPattern): KeyPattern => ({
  ...pattern,
  matches: (key) => pattern.matches(key) && !excluded.matches(key)
})

/** How all keys begin that match any of them, as far as it is literal. */
const commonBeginning = ([first = "", ...others]: ReadonlyArray<string>): string => {
  let length = 0
  const isCommon = () =>
    length < first.length &&
    !/[*?]/.test(first.charAt(length)) &&
    others.every((glob) => glob[length] === first[length])
  while (isCommon()) length++
  return first.slice(0, length)
}

const encodeGlob = (part: string): string => {
  if (!/[*?]/.test(part)) return CacheKey.encodePart(part)
  if (part.isWellFormed()) return part.replace(/[^*?]+/g, CacheKey.encodeText)
  throw CacheError.make("pattern", "InvalidKey", "a part of a pattern is not well-formed Unicode")
}

/** Greedy matching that goes back to the last `*` only: no pattern makes it exponential. */
const matchesGlob = (glob: string, key: string): boolean => {
  let g = 0
  let k = 0
  let starAt = -1
  let resumeAt = 0
  while (k < key.length) {
    if (glob[g] === "*") {
      starAt = g++
      resumeAt = k
    } else if (g < glob.length && (glob[g] === "?" || glob[g] === key[k])) {
      g++
      k++
    } else if (starAt >= 0) {
      g = starAt + 1
      k = ++resumeAt
    } else {
      return false
    }
  }
  while (glob[g] === "*") g++
  return g === glob.length
}
