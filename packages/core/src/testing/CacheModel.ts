/**
 * Random histories of operations, lived through by a backend and by a model; they must never differ.
 *
 * **Example**
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { CacheModel } from "@tiercache/core/testing"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect } from "effect"
 *
 * it.effect("is a map with deadlines", () =>
 *   CacheModel.check({ clock: "test", runs: 1000 }).pipe(Effect.provide(MemoryBackend.layer()))
 * )
 * ```
 */
import { assert, expect } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as CacheBackend from "../CacheBackend.ts"
import type * as CacheError from "../CacheError.ts"
import * as Codec from "../Codec.ts"
import * as History from "../internal/contract/History.ts"
import * as Model from "../internal/contract/Model.ts"
import * as Subject from "../internal/contract/Subject.ts"

export interface Options {
  /** `test` if Effect's clock moves the backend's time, `live` if the backend has a clock of its own, as a server has. */
  readonly clock: Subject.ClockKind
  /** How many histories, 1000 unless given. */
  readonly runs?: number | undefined
  /** Repeats the histories of an earlier check, which printed it when it failed. */
  readonly seed?: number | undefined
}

const DEFAULT_RUNS = 1000

/** Properties that are checked at the same time, with keys of their own, where time need not be moved for each alone. */
const LIVE_LANES = 8

/**
 * Checks the backend; a difference is a defect, with the shortest history and its seed in the message.
 *
 * **Details**
 *
 * On a test clock, time moves by milliseconds between any two operations. On a live clock a few histories wait for
 * something to expire; the others do not depend on time.
 */
export const check = Effect.fnUntraced(function* (options: Options) {
  const { unsupported } = yield* CacheBackend.CacheBackend
  const context = yield* Effect.context<CacheBackend.CacheBackend>()
  const histories = History.arbitrary(options.clock, unsupported)
  const lanes = options.clock === "live" && options.seed === undefined ? LIVE_LANES : 1
  const parameters = {
    numRuns: Math.ceil((options.runs ?? DEFAULT_RUNS) / lanes),
    ...(options.seed === undefined ? {} : { seed: options.seed })
  }
  const checkLane = Effect.promise((signal) => {
    const property = fc.asyncProperty(histories, (history) =>
      Effect.runPromiseWith(context)(live(history, options.clock), { signal })
    )
    return fc.assert(property, parameters)
  })
  yield* Effect.all(
    Array.from({ length: lanes }, () => checkLane),
    { concurrency: "unbounded", discard: true }
  )
})

/** What a backend can be asked; time is not up to it. */
type Question = Exclude<History.Operation, { readonly op: "pass" }>

/** Lives through one history and compares at each step. */
const live = Effect.fnUntraced(function* (history: History.History, clock: Subject.ClockKind) {
  const subject = yield* Subject.make(clock)
  const model = new Model.Model()
  for (const step of history.steps) {
    for (const operation of step) {
      const expected = model.apply(operation)
      yield* operation.op === "pass"
        ? pass(subject, model, clock, operation.millis)
        : compare(subject, clock, operation, expected)
    }
    if (history.checksEachStep) yield* compareContent(subject, model, clock)
  }
  yield* compareContent(subject, model, clock)
  yield* compareAll(subject, model, clock, LISTINGS)
}, Effect.scoped)

/** Lets time pass. On a live clock, until what has to be gone is gone. */
const pass = (subject: Subject.Subject, model: Model.Model, clock: Subject.ClockKind, millis: number) => {
  if (clock === "test") return TestClock.adjust(Duration.millis(millis))
  const gone = History.KEYS.filter((key) => model.apply({ op: "has", key }) === false)
  return Effect.forEach(gone, (key) => subject.eventually(isGone(subject, whole(subject, key))), { discard: true })
}

const isGone = ({ backend }: Subject.Subject, key: string) =>
  Effect.zipWith(backend.get(key, Codec.msgpack), backend.has(key), (entry, has) => entry === undefined && !has)

/** What can be seen of the entries in one round trip. */
const CONTENT: ReadonlyArray<Question> = [
  ...History.KEYS.map((key) => ({ op: "peek", key }) as const),
  { op: "getMany", keys: History.KEYS }
]

/** What else can be seen: a server needs longer for it. */
const LISTINGS: ReadonlyArray<Question> = [
  ...History.KEYS.map((key) => ({ op: "ttl", key }) as const),
  { op: "scan", pattern: "*" }
]

const compareContent = (subject: Subject.Subject, model: Model.Model, clock: Subject.ClockKind) =>
  compareAll(subject, model, clock, clock === "live" ? CONTENT : [...CONTENT, ...LISTINGS])

const compareAll = (
  subject: Subject.Subject,
  model: Model.Model,
  clock: Subject.ClockKind,
  questions: ReadonlyArray<Question>
) =>
  Effect.forEach(questions, (question) => compare(subject, clock, question, model.apply(question)), { discard: true })

const compare = (subject: Subject.Subject, clock: Subject.ClockKind, operation: Question, expected: unknown) =>
  Effect.map(answer(subject, operation), (actual) => {
    // a process need not hold what is stored
    if (operation.op === "peek" && actual === undefined) return
    if (operation.op === "ttl" && clock === "live" && typeof actual === "number" && typeof expected === "number") {
      assert.approximately(actual, expected, LIVE_SLACK_MILLIS)
    } else {
      expect({ asked: operation.op, answer: actual }).toStrictEqual({ asked: operation.op, answer: expected })
    }
  })

/** How far a live TTL may be from what the model says, which knows no time but the waits: a slow machine's history. */
const LIVE_SLACK_MILLIS = 600_000

const whole = (subject: Subject.Subject, key: string) => subject.key(...key.split(":"))

/** What the backend answers, in the model's terms. */
const answer = (subject: Subject.Subject, operation: Question): Effect.Effect<unknown> =>
  call(subject, operation).pipe(
    Effect.catch((error) =>
      error.reason === "WrongType" ? Effect.succeed(new Model.Fails(error.reason)) : Effect.die(error)
    )
  )

const call = (subject: Subject.Subject, operation: Question): Effect.Effect<unknown, CacheError.CacheError> => {
  const { backend } = subject
  const of = (key: string) => whole(subject, key)
  switch (operation.op) {
    case "get":
      return Effect.map(backend.get(of(operation.key), Codec.msgpack), (entry) => entry?.value)
    case "peek":
      return Effect.sync(() => backend.peek(of(operation.key), Codec.msgpack))
    case "has":
      return backend.has(of(operation.key))
    case "ttl":
      return Effect.map(backend.ttl(of(operation.key)), (left) => left && Duration.toMillis(left))
    case "delete":
      return backend.delete(of(operation.key))
    case "getMany":
      return Effect.map(backend.getMany(operation.keys.map(of), Codec.msgpack), (entries) =>
        entries.map((entry) => entry?.value)
      )
    case "deleteMany":
      return backend.deleteMany(operation.keys.map(of))
    case "set":
      return backend.set(of(operation.key), Codec.msgpack, operation.value, options(operation))
    case "setMany":
      return backend.setMany(
        operation.entries.map(([key, value]) => [of(key), value] as const),
        Codec.msgpack,
        options(operation)
      )
    case "expire":
      return backend.expire(of(operation.key), Duration.millis(operation.ttl))
    case "increment":
      return backend.increment(of(operation.key), { by: operation.by, ttl: Duration.millis(operation.ttl) })
    case "deletePattern":
      return backend.deletePattern(subject.pattern(operation.pattern))
    default:
      return Effect.map(Stream.runCollect(backend.scan(subject.pattern(operation.pattern))), (keys) =>
        keys.map((key) => key.slice(subject.prefix.length + 1)).toSorted()
      )
  }
}

const options = ({ only, ttl }: Pick<Extract<History.Operation, { readonly op: "set" }>, "only" | "ttl">) => ({
  only,
  ttl: Duration.millis(ttl)
})
