/**
 * What works on a server, and is dangerous all the same.
 */
import type { ServerInfo } from "./serverInfo.ts"

/** What this process has used so far, and not each Redis can promise. */
export interface Uses {
  /** Locks, limits and whatever else scripts keep. */
  scriptState: boolean
  /** The most replicas that a caller wanted to have a write. */
  replicas: number
}

/**
 * What a server may evict when its memory is full: any key, also the indexes of tags, which have no TTL; only keys with a TTL, such as
 * entries and locks; none. `undefined` if it does not say, or says what nobody knows.
 */
export type Evicts = "any" | "expiring" | "none" | undefined

export const evictsOf = ({ evictionPolicy }: ServerInfo): Evicts => {
  if (evictionPolicy === undefined) return undefined
  if (evictionPolicy === "noeviction") return "none"
  if (evictionPolicy.startsWith("allkeys-")) return "any"
  return evictionPolicy.startsWith("volatile-") ? "expiring" : undefined
}

/** Of the memory that a server may take. Beyond, there is little time left to react. */
const NEARLY_FULL = 0.9

/** One line for each, without the server's name. */
export const of = (info: ServerInfo, uses: Uses): ReadonlyArray<string> => [
  ...ofEviction(info, uses),
  ...ofMemory(info),
  ...ofReplicas(info, uses)
]

/** Also where memory has no limit: one can be set at any time. */
export const ANY_KEY_EVICTED =
  "tag indexes may be evicted, so that a deletion by tag misses entries, and locks while they are held"

const ofEviction = (info: ServerInfo, { scriptState }: Uses): ReadonlyArray<string> => {
  const policy = `maxmemory-policy is ${info.evictionPolicy}`
  switch (evictsOf(info)) {
    case "any":
      return [`${policy}: ${ANY_KEY_EVICTED}`]
    case "expiring":
      return scriptState ? [`${policy}: locks and limits, which are in use, may be evicted`] : []
    case "none":
      return []
    case undefined:
      return ["INFO does not tell the maxmemory-policy: keys may be evicted that must not be"]
  }
}

const ofMemory = ({ evictionPolicy, maxMemoryBytes = 0, usedMemoryBytes = 0 }: ServerInfo): ReadonlyArray<string> => {
  // with another policy a full memory is what one wants
  if (evictionPolicy !== "noeviction" || maxMemoryBytes === 0) return []
  const part = usedMemoryBytes / maxMemoryBytes
  if (part < NEARLY_FULL) return []
  return [`${Math.floor(part * 100)} % of maxmemory is used; when it is full, writes are refused`]
}

const ofReplicas = ({ replicas, role }: ServerInfo, uses: Uses): ReadonlyArray<string> =>
  role !== "primary" || replicas.length >= uses.replicas
    ? []
    : [`${replicas.length} replicas follow, and ${uses.replicas} were waited for`]
