import { layer } from "@effect/vitest"
import { CacheModel, RedisServer } from "@tiercache/core/testing"
import { Layer } from "effect"
import { backendLayer } from "./support.ts"
const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))
layer(withServer, { excludeTestServices: true })("RedisBackend", (it) => {
  for (const runs of [80, 160, 320])
  it.effect(`answers ${runs}`, () => CacheModel.check({ clock: "live", runs }), 120000)
})
