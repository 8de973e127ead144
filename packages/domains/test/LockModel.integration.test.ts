/**
 * The same histories of locks, semaphores and fenced writes, in memory and on Redis.
 */
import { assert, layer } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Exit, Scope } from "effect"
import * as fc from "fast-check"
import * as Stage from "./locks/Stage.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"

const NAMES = ["a", "b"]
const LONG = { ttl: "1 hour", wait: "0 seconds" } as const

const member = fc.nat({ max: 2 })
const name = fc.constantFrom(...NAMES)
const operation = fc.oneof(
  fc.record({ op: fc.constant("lock" as const), member, name, fair: fc.boolean() }),
  fc.record({ op: fc.constant("permits" as const), member, name, permits: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ op: fc.constant("giveBack" as const), member, name, what: fc.constantFrom("lock", "permits") }),
  fc.record({ op: fc.constant("delete" as const), member, name, what: fc.constantFrom("lock", "semaphore") }),
  fc.record({ op: fc.constant("write" as const), member, name, fence: fc.nat({ max: 5 }) }),
  fc.record({ op: fc.constant("read" as const), member, name })
)
type Operation = typeof operation extends fc.Arbitrary<infer A> ? A : never

/** What a history comes to: the answer to each operation, and the order of all fences. */
const live = Effect.fnUntraced(function* (stage: Stage.Stage, history: ReadonlyArray<Operation>) {
  const members = yield* Effect.all([stage.join, stage.join, stage.join])
  const run = crypto.randomUUID()
  const scopes = new Map<string, Scope.Closeable>()
  const fences: Array<number> = []

  const obtain = Effect.fnUntraced(function* (
    held: string,
    acquire: Effect.Effect<{ readonly fence: number }, { readonly _tag: string }, Scope.Scope>
  ) {
    if (scopes.has(held)) return "has it"
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(acquire, scope))
    if (!Exit.isSuccess(exit)) return (yield* Effect.flip(exit))._tag
    scopes.set(held, scope)
    fences.push(exit.value.fence)
    return "obtained"
  })

  const apply = (step: Operation): Effect.Effect<unknown, unknown> => {
    const process = members[step.member] ?? members[0]
    const named = `${run}:${step.name}`
    const held = (what: string) => `${step.member} ${step.name} ${what}`
    switch (step.op) {
      case "lock":
        return obtain(held("lock"), process.lock.acquire(named, { ...LONG, fair: step.fair }))
      case "permits":
        return obtain(held("permits"), process.semaphore.acquire(named, { ...LONG, limit: 3, permits: step.permits }))
      case "giveBack": {
        const scope = scopes.get(held(step.what))
        scopes.delete(held(step.what))
        return scope === undefined ? Effect.succeed("nothing") : Scope.close(scope, Exit.void)
      }
      case "delete":
        return process.backend.delete(`tradecore:${step.what}:${named}`)
      case "write": {
        const fence = fences.at(-1 - step.fence) ?? 0
        const written = process.fenced.set(named, Codec.msgpack, fences.indexOf(fence), { fence, ttl: "1 hour" })
        return Effect.match(written, { onSuccess: () => "written", onFailure: ({ _tag }) => _tag })
      }
      case "read":
        return process.fenced.get(named, Codec.msgpack)
    }
  }

  const answers = yield* Effect.forEach(history, apply)
  for (const scope of scopes.values()) yield* Scope.close(scope, Exit.void)
  return { answers, order: fences.map((fence) => fences.filter((other) => other < fence).length) }
}, Effect.scoped)

layer(RedisServer.layer(), { excludeTestServices: true })("histories of locks", (it) => {
  it.effect(
    "come to the same in memory and on Redis",
    Effect.fnUntraced(function* () {
      const { url } = yield* RedisServer.RedisServer
      const seen = new Set<string>()
      const both = (history: ReadonlyArray<Operation>) =>
        Effect.gen(function* () {
          const inMemory = yield* live(yield* Stage.inMemory, history)
          assert.deepStrictEqual(yield* live(Stage.onRedis(url), history), inMemory)
          for (const answer of inMemory.answers) seen.add(String(answer))
        }).pipe(Effect.scoped)
      yield* Effect.promise((signal) =>
        fc.assert(
          fc.asyncProperty(fc.array(operation, { minLength: 30, maxLength: 60 }), (history) =>
            Effect.runPromise(both(history), { signal })
          ),
          { numRuns: isFull ? 400 : 40 }
        )
      )
      assert.includeMembers(
        [...seen],
        ["obtained", "LockHeld", "has it", "nothing", "true", "false", "written", "StaleFence", "undefined"]
      )
    })
  )
})
