/**
 * What may be said of keys in logs.
 *
 * A key begins with the prefix, domain and type if it is an entity's, and may be anything if it is not. Most operations do not say which,
 * so that is learned from those that do, by their codec: until then, a key may be that of something secret.
 */
import * as Codec from "../Codec.ts"

/** Annotations of a log message. */
export type Names = Readonly<Record<string, string | number>>

/** A codec, of whatever values. */
export type AnyCodec = Pick<Codec.Codec<unknown>, "secret">

type Kind = "entity" | "untyped" | "secret"

/** What is known of so many kinds at most: untyped keys may begin with anything. */
const MAX_KINDS = 1000

/** Of many keys, so many are named. */
const MAX_KEYS = 10

const REDACTED = "<redacted>"

export interface KeyNames {
  /** What may be said of an operation on these keys. */
  readonly of: (keys: ReadonlyArray<string>, codec?: AnyCodec) => Names
  /** The key, if it may be named. */
  readonly visible: (key: string, codec?: AnyCodec) => string | undefined
}

export const make = (prefix: string, withKeys: boolean): KeyNames => {
  const kinds = new Map<string, Kind>()

  const partsOf = (key: string): readonly [domain: string, type: string] => {
    const [domain = "", type = ""] = key.startsWith(`${prefix}:`) ? key.slice(prefix.length + 1).split(":", 2) : []
    return [domain, type]
  }

  const kindOf = (key: string, codec: AnyCodec | undefined): Kind | undefined => {
    const name = partsOf(key).join(":")
    const known = kinds.get(name)
    if (codec === undefined || known === "secret") return known
    const kind = codec.secret === true ? "secret" : codec === Codec.msgpack ? "untyped" : "entity"
    if (known !== undefined || kinds.size < MAX_KINDS) kinds.set(name, kind)
    return kind
  }

  const visible: KeyNames["visible"] = (key, codec) => {
    const kind = kindOf(key, codec)
    return withKeys && (kind === "entity" || kind === "untyped") ? key : undefined
  }

  return {
    visible,
    of: (keys, codec) => {
      const [first] = keys
      if (first === undefined) return {}
      const kind = kindOf(first, codec)
      const [domain, type] = partsOf(first)
      const shown = keys.slice(0, MAX_KEYS).map((key) => visible(key, codec) ?? REDACTED)
      return {
        ...(kind === "entity" || kind === "secret" ? { "cache.domain": domain, "cache.type": type } : {}),
        ...(keys.length > 1 ? { "cache.keyCount": keys.length } : {}),
        ...(withKeys ? { "cache.key": shown.join(" ") } : {})
      }
    }
  }
}
