/**
 * Operations that are begun in one turn of the event loop, and the commands that a server has got of them.
 */
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import { makeBackend, makeClient, uniqueKey } from "./support.ts"

/** A backend over the server of the layer, and a plain connection to it. */
export const setup = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return { url, backend: yield* makeBackend({ url }), client: yield* makeClient(url) }
})

export const keysOf = (count: number, name = uniqueKey("k")) =>
  Array.from({ length: count }, (_, index) => `${name}:${index}`)

/** All at once; what each returns, in their order. */
export const together = <A, E>(effects: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

/** What the backends send by themselves, and what this asks with. */
const OWN = new Set(["info", "time", "ping", "hello", "client", "auth", "select", "config", "acl"])

/** How often the server has executed each command, from clients and scripts, since the last look. */
export const callsOf = (client: Redis) =>
  Effect.gen(function* () {
    const look = Effect.promise(async () => {
      const lines = (await client.info("commandstats")).matchAll(/^cmdstat_([a-z|]+):calls=(\d+)/gm)
      return new Map(
        Array.from(lines, ([, name = "", calls]) => [name, Number(calls)] as const).filter(
          ([name]) => !OWN.has(name.split("|")[0] ?? "")
        )
      )
    })
    let before = yield* look
    return Effect.map(look, (now) => {
      const calls = [...now].map(([name, calls]) => [name, calls - (before.get(name) ?? 0)] as const)
      before = now
      return Object.fromEntries(calls.filter(([, calls]) => calls > 0))
    })
  })
