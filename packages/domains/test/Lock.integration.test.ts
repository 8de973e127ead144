import { layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Stage from "./locks/Stage.ts"
import * as Suite from "./locks/suite.ts"

layer(RedisServer.layer(), { excludeTestServices: true })("locks on Redis", (it) => {
  Suite.register((title, body) =>
    it.effect(title, () =>
      Effect.scoped(Effect.flatMap(RedisServer.RedisServer, ({ url }) => body(Stage.onRedis(url))))
    )
  )
})
