/**
 * A process that cleans up a store and dies in the middle: `node maintains.ts <url>`.
 */
import { Lock, Maintenance } from "@tiercache/domains"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"

const [, , url = ""] = process.argv
const layer = Maintenance.layer().pipe(
  Layer.provide(Lock.layer()),
  Layer.provide(RedisBackend.layer({ url, scanCount: 20 }))
)

const die = () => process.kill(process.pid, "SIGKILL")
const run = Maintenance.run({ onProgress: ({ deleted }) => void (deleted > 0 && die()) })

await Effect.runPromise(Effect.provide(run, layer))
