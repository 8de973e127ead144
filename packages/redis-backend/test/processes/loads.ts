/**
 * Opens a cache, waits for a line of input, reads through the cache, closes it amid loads and tells what still keeps the process alive.
 * Then it has to end by itself. An error that nobody handles ends it at once.
 */
import { once } from "node:events"
import { Cache } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"

const [url = ""] = process.argv.slice(2)

const say = (text: string) => Effect.sync(() => process.stdout.write(text))

const program = Effect.gen(function* () {
  const cache = yield* Cache.Cache
  yield* cache.getOrLoad("a", Effect.succeed(0))
  yield* say("opened ")
  yield* Effect.promise(() => once(process.stdin, "data"))
  process.stdin.destroy()
  const loads = Array.from({ length: 20 }, (_, index) => cache.getOrLoad(`key ${index}`, Effect.succeed(index)))
  const values = yield* Effect.all(loads, { concurrency: "unbounded" })
  yield* say(values.every((value, index) => value === index) ? "loaded " : "failed ")
  // some that the end finds asking, and some that it finds loading
  const endless = cache.getOrLoad("endless", Effect.never, { background: true, ttl: "1 minute" })
  yield* Effect.forkChild(endless, { startImmediately: true })
  yield* Effect.timeoutOption(cache.getOrLoad("late", Effect.never, { background: true }), "300 millis")
  for (const load of loads) yield* Effect.forkChild(load, { startImmediately: true })
})

const layer = Cache.layer().pipe(
  Layer.provide(RedisBackend.layer({ url, commandTimeout: "200 millis", connectTimeout: "200 millis" }))
)
await Effect.runPromise(Effect.provide(program, layer))

const alive = () => process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|TLS|Getaddrinfo/i.test(name))
// a socket that was destroyed is closed in a later turn of the event loop; a timer of the backend's would last longer
for (let turn = 0; turn < 100 && alive().length > 0; turn++) {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 10))
}
process.stdout.write(`closed ${JSON.stringify(alive())}`)
