import { layer } from "@effect/vitest"
import { CacheModel, RedisServer } from "@tiercache/core/testing"
import { Layer } from "effect"
import { backendLayer } from "./support.ts"
import * as fc from "fast-check"
fc.configureGlobal({ interruptAfterTimeLimit: 20000, markInterruptAsFailure: true, verbose: 0 })
const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))
layer(withServer, { excludeTestServices: true })("RedisBackend", (it) => {
  for (const runs of Array.from({length:12}, () => 1000))
  it.effect(`answers ${runs}`, () => CacheModel.check({ clock: "live", runs }), 60000)
})
