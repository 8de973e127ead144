/**
 * What a server tells about itself by INFO.
 *
 * Hosters leave some of it out, and other programs answer INFO too, so each field may be missing. What has not the form that it
 * should have counts as missing.
 */

/** A replica that is attached to a primary. */
interface Replica {
  /** Written by the primary, and not yet acknowledged by the replica. */
  readonly lagBytes: number
  /** Since its last sign of life. */
  readonly lagSeconds: number
}

export interface ServerInfo {
  readonly version: string | undefined
  readonly role: "primary" | "replica" | undefined
  readonly evictionPolicy: string | undefined
  /** Keys that were evicted since the server was started. */
  readonly evictedKeys: number | undefined
  readonly usedMemoryHuman: string | undefined
  readonly usedMemoryBytes: number | undefined
  /** 0 for no limit. */
  readonly maxMemoryBytes: number | undefined
  readonly connectedClients: number | undefined
  /** Those that follow; not those that are just being filled. */
  readonly replicas: ReadonlyArray<Replica>
}

export const parse = (text: string): ServerInfo => {
  const fields = new Map(text.split("\n").flatMap(fieldOf))
  const number = (name: string) => numberOf(fields.get(name))
  const offset = number("master_repl_offset")
  return {
    version: fields.get("redis_version"),
    role: ROLES[fields.get("role") ?? ""],
    evictionPolicy: fields.get("maxmemory_policy"),
    evictedKeys: number("evicted_keys"),
    usedMemoryHuman: fields.get("used_memory_human"),
    usedMemoryBytes: number("used_memory"),
    maxMemoryBytes: number("maxmemory"),
    connectedClients: number("connected_clients"),
    replicas:
      offset === undefined
        ? []
        : [...fields].flatMap(([name, value]) => (/^slave\d+$/.test(name) ? replicaOf(value, offset) : []))
  }
}

const ROLES: Readonly<Record<string, ServerInfo["role"]>> = { master: "primary", slave: "replica" }

/** Longer values are none that we read, and health shows what it is told. */
const MAX_VALUE = 200

const fieldOf = (line: string): ReadonlyArray<readonly [name: string, value: string]> => {
  const [, name, value] = /^(\w+):([\x20-\x7e]+)\r?$/.exec(line) ?? []
  return name === undefined || value === undefined || value.length > MAX_VALUE ? [] : [[name, value]]
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** Reads `ip=127.0.0.1,port=6380,state=online,offset=1234,lag=0`. */
const replicaOf = (text: string, primaryOffset: number): ReadonlyArray<Replica> => {
  const fields = new Map(text.split(",").map((part) => [part.split("=")[0], part.split("=")[1]]))
  const offset = numberOf(fields.get("offset"))
  const lagSeconds = numberOf(fields.get("lag"))
  if (fields.get("state") !== "online" || offset === undefined || lagSeconds === undefined) return []
  // it may have acknowledged more since the primary read its own
  return [{ lagBytes: Math.max(0, primaryOffset - offset), lagSeconds }]
}
