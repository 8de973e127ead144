/**
 * Lives through random histories, and checks what must hold in each.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as CacheError from "../../CacheError.ts"
import { PartialFailure } from "../../EntityCache.ts"
import * as History from "./History.ts"
import { SourceDown } from "./Source.ts"
import * as Subject from "./Subject.ts"
import * as World from "./World.ts"

/** Longer than any limit, back-off or lease in a history. */
const LONG_ENOUGH = "70 seconds"

interface Caller {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  isInterrupted: boolean
}

/** One history, on caches of its own. */
export const live = Effect.fnUntraced(function* (history: History.History) {
  const subject = yield* Subject.make("test")
  const world = World.make()
  const callers: Array<Caller> = []

  const call = (operation: History.Operation): Effect.Effect<unknown, unknown> => {
    switch (operation.op) {
      case "pass":
        return TestClock.adjust(operation.millis)
      case "interrupt": {
        const caller = callers[operation.caller]
        return caller === undefined ? Effect.void : interrupt(caller)
      }
      case "close":
        return Effect.forkChild(subject.processes[operation.process]?.close ?? Effect.void)
      default:
        return callCache(operation)
    }
  }

  const interrupt = (caller: Caller) =>
    Effect.suspend(() => {
      caller.isInterrupted = true
      return Fiber.interrupt(caller.fiber)
    })

  const callCache = (operation: Exclude<History.Operation, { op: "pass" | "interrupt" | "close" }>) => {
    const { cache } = subject.processes[operation.process] ?? subject.processes[0]
    const { key } = operation
    switch (operation.op) {
      case "get":
        return Effect.map(cache.get(key), world.reader(key))
      case "set":
        return write(key, (value) => cache.set(key, value, { ttl: "1 second" }))
      case "delete":
        return write(key, () => cache.delete(key))
      case "deletePattern":
        return write(key, () => cache.deletePattern(`${key}*`))
      case "expire":
        return write(key, () => cache.expire(key, "2 seconds"), false)
      default:
        return begin(load(cache, operation))
    }
  }

  const write = (key: History.Key, run: (value: number) => Effect.Effect<unknown, unknown>, isNew = true) =>
    Effect.suspend(() => {
      const value = world.write(key)
      return Effect.map(run(value), () => isNew && world.written(key, value))
    })

  const load = (
    cache: Subject.Process["cache"],
    operation: Extract<History.Operation, { behaviour: History.Behaviour }>
  ): Effect.Effect<unknown, unknown> => {
    const { behaviour, key } = operation
    const options = History.OPTIONS[operation.options]
    if (operation.op === "getManyOrLoad") {
      const readers = History.KEYS.map((key) => [key, world.reader(key)] as const)
      return cache
        .getManyOrLoad(
          History.KEYS,
          (missing) =>
            Effect.forEach(
              History.KEYS.filter((key) => missing.includes(key)),
              (key) => Effect.map(world.load(key, behaviour), (value) => [key, value] as const),
              { concurrency: "unbounded" }
            ),
          options
        )
        .pipe(Effect.map((found) => readers.forEach(([key, read]) => read(found.get(key)))))
    }
    return Effect.map(cache[operation.op](key, world.load(key, behaviour), options), world.reader(key))
  }

  const begin = (loading: Effect.Effect<unknown, unknown>) =>
    Effect.map(Subject.start(loading), (fiber) => void callers.push({ fiber, isInterrupted: false }))

  for (const operation of history.steps) {
    yield* call(operation)
    yield* Effect.yieldNow
    assert.deepStrictEqual(world.violations, [])
  }
  if (history.isAbandoned) {
    for (const caller of callers) yield* interrupt(caller)
    yield* TestClock.adjust(LONG_ENOUGH)
    assert.strictEqual(world.runningInterruptibly(), 0, "loaders run for nobody")
    assert.isTrue(Subject.isIdle(subject), "a cache loads for nobody")
  }
  yield* world.end
  yield* TestClock.adjust(LONG_ENOUGH)
  assert.deepStrictEqual(world.violations, [])
  for (const { fiber, isInterrupted } of callers) {
    const exit = fiber.pollUnsafe()
    if (exit === undefined) return assert.fail("a caller has not settled")
    if (!isInterrupted) assert.deepStrictEqual(unexpected(exit), [])
  }
  assert.strictEqual(world.running(), 0, "loaders run")
  assert.isTrue(Subject.isIdle(subject), "a cache still reads or loads")

  // no key is stuck
  const isClosed = (process: number) => history.steps.some((step) => step.op === "close" && step.process === process)
  for (const [index, { cache }] of subject.processes.entries()) {
    if (isClosed(index)) continue
    for (const key of History.KEYS) {
      yield* cache.delete(key)
      const fresh = yield* Subject.start(cache.getOrLoad(key, Effect.succeed("at last")))
      yield* Effect.yieldNow
      assert.deepStrictEqual(fresh.pollUnsafe(), Exit.succeed("at last"))
    }
  }
}, Effect.scoped)

/** With what a caller that nobody interrupted cannot have ended. */
const unexpected = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> => {
  if (Exit.isSuccess(exit)) return []
  return exit.cause.reasons.filter((reason) => reason._tag !== "Fail" || !isExpected(reason.error))
}

const isExpected = (error: unknown): boolean => {
  if (error instanceof PartialFailure) return [...error.failures.values()].every(isExpected)
  if (error instanceof SourceDown) return true
  return CacheError.isCacheError(error) && ["LoadFailed", "Timeout", "Unavailable"].includes(error.reason)
}
