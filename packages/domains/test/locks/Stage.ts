/**
 * Processes that share a store and its locks, and the time in which they live.
 */
import { assert } from "@effect/vitest"
import type { CacheBackend, CacheError } from "@tiercache/core"
import { InProcessBus, MemoryBackend, MemoryStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Process, processOver } from "./Services.ts"

export type { Process } from "./Services.ts"

type Backend = CacheBackend.CacheBackend["Service"]

export interface Stage {
  readonly join: Effect.Effect<Process, CacheError.CacheError, Scope.Scope>
  /** Lets some milliseconds pass. */
  readonly tick: Effect.Effect<void>
}

/** In memory, on the test clock. */
export const inMemory = Effect.gen(function* () {
  const bus = yield* InProcessBus.make
  const store = yield* MemoryStore.make()
  const origins: Array<string> = []
  const joinWith = (change?: (backend: Backend) => Backend) =>
    Effect.suspend(() => {
      const origin = `process-${origins.length}`
      origins.push(origin)
      return processOver(MemoryBackend.layerShared({ bus, store }, origin), change)
    })
  return { bus, origins: () => origins, joinWith, join: joinWith(), tick: TestClock.adjust("5 millis") }
})

/** A machine that is busy with other tests must not look like a store that is away. */
const PATIENT = { commandTimeout: "5 seconds", connectTimeout: "5 seconds" } as const

/** On servers, in their time. */
export const over = (options: RedisBackend.Options): Stage => ({
  join: Effect.suspend(() => processOver(RedisBackend.layer({ ...PATIENT, ...options }))),
  tick: Effect.sleep("5 millis")
})

export const onRedis = (url: string): Stage => over({ url })

const MAX_TICKS = 20_000

/** Waits for a condition that somebody else brings about. */
export const until = Effect.fnUntraced(function* <E>(
  { tick }: Pick<Stage, "tick">,
  condition: Effect.Effect<boolean, E>
) {
  for (let ticks = 0; ticks < MAX_TICKS; ticks++) {
    if (yield* condition) return
    yield* tick
  }
  assert.fail("the condition never held")
})

/** Lets time pass until a fiber has ended. */
export const ended = <A, E>(stage: Pick<Stage, "tick">, fiber: Fiber.Fiber<A, E>) =>
  Effect.andThen(
    until(
      stage,
      Effect.sync(() => fiber.pollUnsafe() !== undefined)
    ),
    Fiber.await(fiber)
  )

export const keyOf = (name: string): string => `tradecore:lock:${name}`
