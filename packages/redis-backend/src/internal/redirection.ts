/**
 * What a node of a cluster answers when somebody else has the key.
 */
import { CacheError } from "@tiercache/core"
import * as redisError from "./redisError.ts"

/**
 * `moved` for good; `ask` for this command alone, because the slot is just being moved and the key is not here any more; `again`
 * because some of the keys are here and others there.
 */
export type Redirection =
  | { readonly _tag: "Redirection"; readonly kind: "moved" | "ask"; readonly slot: number; readonly address: Address }
  | { readonly _tag: "Redirection"; readonly kind: "again" }

/** As nodes name each other; the host is missing if it is that of the node that was asked. */
interface Address {
  readonly host: string | undefined
  readonly port: number
}

const ELSEWHERE = /^(MOVED|ASK) (\d+) (.*):(\d+)$/

/** The redirection that an error of ioredis is, if it is one. */
export const of = (error: unknown): Redirection | undefined => {
  if (!redisError.isReply(error)) return undefined
  if (error.message.startsWith("TRYAGAIN")) return { _tag: "Redirection", kind: "again" }
  const [, kind, slot, host, port] = ELSEWHERE.exec(error.message) ?? []
  if (kind === undefined) return undefined
  return {
    _tag: "Redirection",
    kind: kind === "ASK" ? "ask" : "moved",
    slot: Number(slot),
    address: { host: host === "" ? undefined : host, port: Number(port) }
  }
}

const apart = new WeakSet<CacheError.CacheError>()

/** The error of a command whose keys are not all on one node, and that could be several commands. */
export const keysApart = (operation: string): CacheError.CacheError => {
  const error = CacheError.make(operation, "Unavailable", "some of the keys are being moved to another node")
  apart.add(error)
  return error
}

export const isKeysApart = (error: unknown): boolean => CacheError.isCacheError(error) && apart.has(error)
