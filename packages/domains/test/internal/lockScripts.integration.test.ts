/**
 * The Lua bodies and the reducers of locks and semaphores, on the same random histories, in which the clock jumps.
 */
import { assert, layer } from "@effect/vitest"
import { CacheBackend, type Script } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import * as Scripts from "../../src/internal/lockScripts.ts"
import type * as State from "../../src/internal/lockState.ts"
import * as Inspect from "../locks/inspect.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"

const STEPS = 200
const HISTORIES = isFull ? 2600 : 40

type Step = { readonly passes: number } & (
  | { readonly op: "ask"; readonly ask: Omit<Scripts.Ask, "ticket">; readonly keepsPlace: boolean }
  | { readonly op: "renew"; readonly owner: string; readonly ttlMillis: number }
  | { readonly op: "release"; readonly owner: string; readonly limit: number }
)

const owner = fc.constantFrom("a", "b", "c", "d", "e", "f-_9")
const ttlMillis = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constantFrom(1, 86_400_000, 3_155_760_000_000))

/** Mostly forward, in steps in which something may end; now and then far, and back. */
const passes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 300_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 10_000_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -5_000_000, max: 0 }) },
  { weight: 1, arbitrary: fc.constantFrom(200_000, 199_999, 200_001, -3_600_000_000, 7_200_000_000) }
)

const steps = (limits: ReadonlyArray<number>): fc.Arbitrary<ReadonlyArray<Step>> => {
  const limit = fc.constantFrom(...limits)
  const ask = fc.record({
    op: fc.constant("ask" as const),
    passes,
    keepsPlace: fc.boolean(),
    ask: fc.record({
      owner,
      permits: fc.integer({ min: 1, max: Math.max(...limits) }),
      limit,
      ttlMillis,
      waits: fc.boolean(),
      inTurn: fc.boolean()
    })
  })
  const renew = fc.record({ op: fc.constant("renew" as const), passes, owner, ttlMillis })
  const release = fc.record({ op: fc.constant("release" as const), passes, owner, limit })
  const step = fc.oneof(
    { weight: 3, arbitrary: ask },
    { weight: 1, arbitrary: renew },
    { weight: 1, arbitrary: release }
  )
  return fc.array(step, { minLength: STEPS, maxLength: STEPS })
}

/** A day in 2026, in microseconds. */
const START = 1_790_000_000_123_456

interface Expected {
  readonly now: number
  readonly run: (backend: CacheBackend.CacheBackend["Service"], key: string) => Effect.Effect<unknown, unknown>
  readonly reply: unknown
}

/** Lives through a history by reducers alone. */
const foresee = (history: ReadonlyArray<Step>) => {
  let state: State.State | undefined
  let now = START
  const wakes: Array<ReadonlyArray<string>> = []
  const tickets = new Map<string, number>()
  const slots: Script.Slots<State.State> = {
    get: () => state,
    set: (_, next) => {
      state = next
    },
    delete: () => {
      state = undefined
    }
  }
  const expect = <Args, Reply>(script: Script.Script<State.State, Args, Reply>, args: Args) => ({
    now,
    run: (backend: CacheBackend.CacheBackend["Service"], key: string) => backend.run(script, [key], args),
    reply: script.reducer(slots, args, now, (names) => wakes.push(names))
  })
  const expected = history.map((step): Expected => {
    now += step.passes
    if (step.op === "renew") return expect(Scripts.renew, step)
    if (step.op === "release") return expect(Scripts.release, step)
    const ticket = step.keepsPlace ? (tickets.get(step.ask.owner) ?? 0) : 0
    const asked = expect(Scripts.ask, { ...step.ask, ticket })
    if (!asked.reply.isGranted) tickets.set(step.ask.owner, asked.reply.ticket)
    return asked
  })
  return { expected, wakes, texts: Inspect.textsOf(state) }
}

let time = START
const withRedis = Layer.unwrap(
  RedisServer.RedisServer.use(({ url }) =>
    Effect.succeed(RedisBackend.layer({ url, commandTimeout: "10 seconds", time: () => time }))
  )
).pipe(Layer.provide(RedisServer.layer()))

layer(withRedis, { excludeTestServices: true })("the two bodies of the scripts of locks", (it) => {
  for (const [name, limits] of [
    ["a lock", [1]],
    ["a semaphore", [3]],
    ["a semaphore whose limit changes", [2, 4]]
  ] as const) {
    it.effect(
      `never differ on ${name}`,
      Effect.fnUntraced(function* () {
        const backend = yield* CacheBackend.CacheBackend
        const woken: Array<ReadonlyArray<string>> = []
        let isConnected = false
        yield* backend.listen({
          onMessage: ({ keys, kind }) => void (kind === "woken" && woken.push(keys)),
          onConnected: () => {
            isConnected = true
          },
          onDisconnected: () => {}
        })
        yield* Effect.repeat(Effect.sleep("2 millis"), { until: () => isConnected })
        const outcomes = { granted: 0, refused: 0, wakes: 0 }

        const live = (history: ReadonlyArray<Step>) =>
          Effect.gen(function* () {
            const key = `test-${crypto.randomUUID()}`
            const { expected, texts, wakes } = foresee(history)
            woken.length = 0
            // all at once: they are sent, and run, in this order
            const replies = yield* Effect.forEach(
              expected,
              (step) =>
                Effect.suspend(() => {
                  time = step.now
                  return step.run(backend, key)
                }),
              { concurrency: "unbounded" }
            )
            assert.deepStrictEqual(
              replies,
              expected.map(({ reply }) => reply)
            )
            assert.deepStrictEqual(yield* Inspect.texts(backend, key), texts)
            yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => woken.length >= wakes.length })
            assert.deepStrictEqual(woken, wakes)
            outcomes.wakes += wakes.length
            for (const { reply } of expected) {
              if (typeof reply !== "object" || reply === null || !("isGranted" in reply)) continue
              if (reply.isGranted === true) outcomes.granted++
              else outcomes.refused++
            }
          })

        // so that no later command overtakes one whose script Redis did not know
        yield* backend.run(Scripts.renew, ["warm"], { owner: "a", ttlMillis: 1 })
        yield* backend.run(Scripts.release, ["warm"], { owner: "a", limit: 1 })
        yield* backend.run(Scripts.ask, ["warm"], {
          owner: "a",
          permits: 1,
          limit: 1,
          ttlMillis: 1,
          ticket: 0,
          waits: false,
          inTurn: true
        })
        yield* Effect.promise((signal) =>
          fc.assert(
            fc.asyncProperty(steps(limits), (history) => Effect.runPromise(live(history), { signal })),
            { numRuns: Math.ceil(HISTORIES / 3) }
          )
        )
        // a history in which nothing happens would show nothing
        for (const count of Object.values(outcomes)) assert.isAbove(count, HISTORIES)
      }, Effect.scoped)
    )
  }
})
