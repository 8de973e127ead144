/**
 * Uses a backend, closes it, and tells what still keeps the process alive. Then it has to end by itself.
 */
import { CacheBackend, Codec, Invalidation } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect } from "effect"
import { Redis } from "ioredis"

const [mode, url = "", serverPid = "0"] = process.argv.slice(2)

const freeze = Effect.sync(() => process.kill(Number(serverPid), "SIGSTOP"))
const noop = () => {}

const program = Effect.gen(function* () {
  const lent = mode === "lent" ? new Redis(url, { disconnectTimeout: 0 }) : undefined
  if (mode === "frozen-before") yield* freeze
  const work = Effect.gen(function* () {
    const timeouts = { commandTimeout: "5 seconds", connectTimeout: "1 second" } as const
    const context = yield* RedisBackend.make({ ...(lent === undefined ? { url } : { client: lent }), ...timeouts })
    const backend = Context.get(context, CacheBackend.CacheBackend)
    const bus = Context.get(context, Invalidation.Invalidation)
    yield* bus.subscribe({ onMessage: noop, onConnected: noop, onDisconnected: noop })
    const write = Effect.ignore(backend.set("closes", Codec.msgpack, 1, { ttl: "1 minute" }))
    yield* write
    if (mode === "frozen-in-use") yield* freeze
    yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(write, { startImmediately: true }))
    if (mode !== "frozen-in-use") yield* write
  })
  yield* Effect.scoped(work)
  lent?.disconnect()
})

await Effect.runPromise(program)
const alive = () => process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|TLS|Getaddrinfo/i.test(name))
// a socket that was destroyed is closed in a later turn of the event loop; a timer of the backend's would last longer
for (let turn = 0; turn < 100 && alive().length > 0; turn++) {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 10))
}
process.stdout.write(`closed ${JSON.stringify(alive())}`)
