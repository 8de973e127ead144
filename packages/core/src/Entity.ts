/**
 * What a kind of cached data is: its keys, its values, its rules. Pure data; no backend, no I/O.
 */
import { Schema } from "effect"
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"
import * as Codec from "./Codec.ts"
import * as LoadPolicy from "./LoadPolicy.ts"
import * as Secrets from "./Secrets.ts"
import type * as Tag from "./Tag.ts"

/** A part of a key: a schema whose encoded form is text or a number, such as a branded string. */
export type KeySchema = Schema.Codec<unknown, string> | Schema.Codec<unknown, number>

/** The parts of a key, in their order. */
export type KeyFields = Readonly<Record<string, KeySchema>>

/** What names one entry: the bare value if the key has one part, an object of all parts otherwise. */
export type Id<Fields extends KeyFields> =
  IsSingle<keyof Fields> extends true
    ? Fields[keyof Fields]["Type"]
    : { readonly [Name in keyof Fields]: Fields[Name]["Type"] }

type IsSingle<Name> = [Name] extends [never] ? false : IsOneOf<Name, Name>
type IsOneOf<One, All> = One extends unknown ? ([All] extends [One] ? true : false) : never

/**
 * What a write tells the other processes: which key changed, so that they read it again when they need it (`invalidate`); or the new
 * value too (`update`), which replaces the old one in every L1 that holds the key. The latter is for what is written often and
 * read everywhere, such as quotes: each write is sent to all processes.
 */
export type OnWrite = "invalidate" | "update"

export interface Entity<Id, A> {
  readonly domain: string
  readonly type: string
  readonly codec: Codec.Codec<A>
  /** How values are loaded and kept. The cache has a default for `ttl`. */
  readonly policy: LoadPolicy.Options<A>
  readonly onWrite: OnWrite
  /** The key of one entry. Throws a `CacheError` with reason `InvalidKey` for an id that its schema or `CacheKey` refuses. */
  readonly key: (id: Id) => CacheKey.CacheKey
  /** What an entry can be deleted by, together with others. Throws as `key` does. */
  readonly tags: ((id: Id) => ReadonlyArray<Tag.Tag>) | undefined
}

/** What stands before the parts of a key, by their names. */
export type Labels<Fields extends KeyFields> = { readonly [Name in keyof Fields]?: string }

export interface Options<Fields extends KeyFields, A> extends LoadPolicy.Options<A> {
  /** One schema for each part of the key, at least one. */
  readonly key: Fields
  /**
   * Puts the name of each part before it: `u:user-123:c:conn-456`. Or the given text before the parts named here, so that ids
   * can have long names and keys short ones: `{ user: "u", connection: "c" }`.
   */
  readonly labels?: boolean | Labels<NoInfer<Fields>> | undefined
  readonly value: Codec.ValueSchema<A>
  /** `invalidate` unless given. */
  readonly onWrite?: OnWrite | undefined
  /**
   * Lets all readers share one instance of a value that cannot be frozen (Date, Map, Set, typed arrays). Without it, such a
   * value is decoded at each hit.
   */
  readonly share?: boolean | undefined
  /**
   * Encrypts the values wherever they are bytes: in Redis and in messages between processes. The cache needs a key ring for that
   * (`secrets`, see `Secrets`). Keys and values of a secret entity are never logged.
   */
  readonly secret?: boolean | undefined
  /** Whether a process may hold copies in front of the store; not those of a secret entity, unless given. */
  readonly l1?: boolean | undefined
  /** What an entry can be deleted by, together with others: `cache.deleteTags`. */
  readonly tags?: ((id: Id<Fields>) => ReadonlyArray<Tag.Tag>) | undefined
}

/**
 * Describes a kind of cached data.
 *
 * **Details**
 *
 * Throws a `CacheError` for a domain, a type or an option that cannot be one.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Entity } from "@tiercache/core"
 * import { Schema } from "effect"
 *
 * const Quotes = Entity.make("market", "quote", {
 *   key: { symbol: Schema.NonEmptyString },
 *   value: Schema.Struct({ symbol: Schema.String, last: Schema.Finite }),
 *   ttl: "5 seconds"
 * })
 * String(Quotes.key("AAPL")) // => "market:quote:AAPL"
 * ```
 */
export const make = <const Fields extends KeyFields, A>(
  domain: string,
  type: string,
  options: Options<Fields, A>
): Entity<Id<Fields>, A> => {
  if (options.onWrite !== undefined && options.onWrite !== "invalidate" && options.onWrite !== "update") {
    throw CacheError.make("Entity.make", "InvalidOption", '`onWrite` is "invalidate" or "update"')
  }
  LoadPolicy.check("Entity.make", options)
  const names = Object.keys(options.key)
  if (names.length === 0) throw CacheError.make("Entity.make", "InvalidOption", "a key needs at least one part")
  const base = CacheKey.fromParts([domain, type]).encoded
  const labels = labelsOf(names, options.labels)
  const encode = Schema.encodeUnknownSync(Schema.Struct(options.key))
  const isSingle = names.length === 1
  const isSecret = options.secret === true
  const isLocal = options.l1 ?? !isSecret
  const codec = { ...Codec.schema(options.value), share: options.share, local: isLocal }
  return {
    domain,
    type,
    codec: isSecret ? Secrets.lock(codec) : codec,
    policy: options,
    // nobody holds what could be replaced
    onWrite: isLocal ? (options.onWrite ?? "invalidate") : "invalidate",
    tags: options.tags,
    key: (id) => {
      const parts = encodeId(encode, isSingle ? { [names[0]!]: id } : id)
      return new CacheKey.CacheKey(
        names.reduce((key, name, index) => `${key}:${labels[index]}${CacheKey.encodePart(String(parts[name]))}`, base)
      )
    }
  }
}

/** What stands before each part, its colon included. Throws a `CacheError`. */
const labelsOf = (
  names: ReadonlyArray<string>,
  labels: boolean | Readonly<Record<string, string | undefined>> | undefined
): ReadonlyArray<string> => {
  if (labels === undefined || labels === false) return names.map(() => "")
  const byName = labels === true ? Object.fromEntries(names.map((name) => [name, name])) : labels
  // who writes JavaScript may name a part that the key does not have
  if (Object.keys(byName).some((name) => !names.includes(name))) {
    throw CacheError.make("Entity.make", "InvalidOption", "`labels` names a part that the key does not have")
  }
  return names.map((name) => {
    const label = byName[name]
    return label === undefined ? "" : `${CacheKey.encodePart(label)}:`
  })
}

const encodeId = (
  encode: (id: unknown) => Readonly<Record<string, string | number>>,
  id: unknown
): Readonly<Record<string, string | number>> => {
  try {
    return encode(id)
  } catch {
    // the schema's message would quote the id
    throw CacheError.make("key", "InvalidKey", "the id does not fit the key's schema")
  }
}
