/**
 * What rate limits promise, as tests for any backend: run in memory and on Redis, with a clock that tests move.
 */
import { layer as withLayer } from "@effect/vitest"
import type { Layer } from "effect"
import * as Counting from "./countingSuite.ts"
import * as Policies from "./policySuite.ts"
import * as Slots from "./slotSuite.ts"
import { policies, type Register, type Requirements, unique } from "./Subject.ts"

export const suite = <E>(
  name: string,
  layer: Layer.Layer<Requirements, E>,
  options: { readonly live: boolean }
): void => {
  withLayer(layer, { excludeTestServices: options.live })(name, (it) => {
    const register: Register = {
      test: (title, body) => it.effect(title, body),
      testEach: (title, body) => {
        for (const policy of policies(unique("each"))) it.effect(`${policy.algorithm}: ${title}`, () => body(policy))
      }
    }
    for (const each of [Counting, Policies, Slots]) each.register(register)
  })
}
