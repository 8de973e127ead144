/**
 * A Redis for each rival: on one that they share, each hears the bus of all others, and a server that is busy for one is late for
 * the next.
 */
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Exit, Scope } from "effect"

export interface Servers {
  /** The URL of the Redis of somebody, started when it is first asked for, and emptied each time. */
  readonly emptied: (owner: string) => Promise<string>
  /** What they are, such as "Redis 7.0.15". */
  readonly version: () => Promise<string>
  readonly close: () => Promise<void>
}

export const make = (): Servers => {
  const scope = Scope.makeUnsafe()
  const servers = new Map<string, Promise<RedisServer.RedisServer["Service"]>>()
  const of = (owner: string) => {
    const server = servers.get(owner) ?? Effect.runPromise(Scope.provide(RedisServer.make(), scope))
    servers.set(owner, server)
    return server
  }
  return {
    emptied: async (owner) => {
      const { ask, url } = await of(owner)
      await Effect.runPromise(ask("FLUSHALL"))
      return url
    },
    version: async () => {
      const { ask } = await of("version")
      const info = String(await Effect.runPromise(ask("INFO", "server")))
      const [name, pattern] = info.includes("valkey_version") ? ["Valkey", "valkey"] : ["Redis", "redis"]
      return `${name} ${new RegExp(`${pattern}_version:(\\S+)`).exec(info)?.[1] ?? ""}`
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
