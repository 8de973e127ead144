import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import * as Stage from "./locks/Stage.ts"
import * as Suite from "./locks/suite.ts"

describe("locks in memory", () => {
  Suite.register((title, body) => it.effect(title, () => Effect.scoped(Effect.flatMap(Stage.inMemory, body))))
})
