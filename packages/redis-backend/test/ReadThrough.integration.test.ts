import { CacheBackend } from "@tiercache/core"
import { ReadThroughTest, RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Layer } from "effect"
import { PATIENT } from "./support.ts"

const connect = (url: string) =>
  Effect.map(RedisBackend.make({ url, ...PATIENT }), (context) => Context.get(context, CacheBackend.CacheBackend))

const fleet = Layer.effect(
  ReadThroughTest.Fleet,
  Effect.gen(function* () {
    const { url } = yield* RedisServer.RedisServer
    return { backends: [yield* connect(url), yield* connect(url), yield* connect(url)] }
  })
).pipe(Layer.provide(RedisServer.layer()))

ReadThroughTest.suite("reading through RedisBackend", fleet, { clock: "live" })
