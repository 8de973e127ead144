import { CacheBackendTest } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"
import * as ioredisMock from "./ioredisMock.ts"

const layer = Layer.unwrap(Effect.sync(() => RedisBackend.layer(ioredisMock.makeOptions())))

CacheBackendTest.suite("RedisBackend over ioredis-mock", layer, { clock: "live" })
