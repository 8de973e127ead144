/**
 * What entries have in common: the user they belong to, the symbol they are about. All entries of a tag can be deleted at once.
 */
import { Brand } from "effect"
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"

/** Encoded as the parts of a key are, so that no id can be taken for another tag. */
export type Tag = string & Brand.Brand<"@tiercache/core/Tag">

const fromEncoded = Brand.nominal<Tag>()

/**
 * The tag of a kind and an id.
 *
 * **Details**
 *
 * Throws a `CacheError` with reason `InvalidKey` if one of them is empty or not well-formed Unicode.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Tag } from "@tiercache/core"
 *
 * Tag.of("symbol", "BRK:A") // => "symbol:BRK%3AA"
 * ```
 */
export const of = (kind: string, id: string): Tag => fromEncoded(CacheKey.fromParts([kind, id]).encoded)

/** What belongs to a user. Throws as {@link of} does, as do those below. */
export const user = (id: string): Tag => of("user", id)

/** What belongs to an account. */
export const account = (id: string): Tag => of("account", id)

/** What belongs to a broker. */
export const broker = (id: string): Tag => of("broker", id)

/** What belongs to a connection with a broker. */
export const connection = (id: string): Tag => of("connection", id)

/** What the tags of one entry take at most, in bytes: an entry carries them all. */
export const MAX_BYTES = 65_535

/** What each tag takes besides its text, in bytes. */
const LENGTH_BYTES = 2

/** The tags of an entry, each once. Throws a `CacheError` with reason `InvalidOption` if they are too long together. */
export const distinct = (operation: string, tags: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = [...new Set(tags)]
  const bytes = all.reduce((sum, tag) => sum + LENGTH_BYTES + Buffer.byteLength(tag), 0)
  if (bytes <= MAX_BYTES) return all
  throw CacheError.make(operation, "InvalidOption", `the tags of an entry are ${MAX_BYTES} bytes at most; got ${bytes}`)
}
