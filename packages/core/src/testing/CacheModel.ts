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
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as CacheBackend from "../CacheBackend.ts"
import * as Codec from "../Codec.ts"
import * as Answers from "../internal/contract/Answers.ts"
import * as History from "../internal/contract/History.ts"
import * as Model from "../internal/contract/Model.ts"
import * as Subject from "../internal/contract/Subject.ts"
import * as MonotonicClock from "../MonotonicClock.ts"

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

/** A backend and the model that lives through the same history. */
interface Twins extends Answers.Asked {
  readonly model: Model.Model
}

/** Lives through one history and compares at each step. */
const live = Effect.fnUntraced(function* (history: History.History, clock: Subject.ClockKind) {
  const subject = yield* Subject.make(clock)
  const now = yield* MonotonicClock.now
  const tokens = Array.from({ length: History.TOKENS }, subject.backend.leases.token)
  const model = new Model.Model(clock)
  const twins: Twins = { subject, now, tokens, clock, model, bookmarks: new Map() }
  for (const step of history.steps) {
    for (const operation of step) yield* operation.op === "pass" ? pass(twins, operation) : compare(twins, operation)
    if (history.checksEachStep) yield* compareContent(twins)
  }
  yield* compareContent(twins)
  yield* compareAll(twins, LISTINGS)
  if (!subject.backend.unsupported.has("tags")) yield* compareAll(twins, TAGGED)
}, Effect.scoped)

/** Lets time pass. On a live clock, until what has to be stale or gone is so. */
const pass = (twins: Twins, operation: Extract<History.Operation, { readonly op: "pass" }>) => {
  const { clock, model, subject } = twins
  model.apply(operation)
  if (clock === "test") return TestClock.adjust(Duration.millis(operation.millis))
  const over = History.KEYS.filter((key) => model.apply({ op: "has", key }) === false)
  return Effect.forEach(over, (key) => subject.eventually(isOver(twins, key)), { discard: true })
}

/** Whether the backend has noticed that an entry is no longer fresh. */
const isOver = ({ model, now, subject }: Twins, key: string) => {
  const { backend } = subject
  const expected = model.state(key)
  const whole = Answers.whole(subject, key)
  return Effect.zipWith(backend.get(whole, Codec.msgpack), backend.has(whole), (entry, has) => {
    if (has || (entry === undefined) !== (expected === undefined)) return false
    return entry === undefined || expected?.isStale === now() >= entry.freshUntil
  })
}

/** What can be seen of the entries in one round trip. */
const CONTENT: ReadonlyArray<Answers.Question> = [
  ...History.KEYS.map((key) => ({ op: "peek", key }) as const),
  ...History.KEYS.map((key) => ({ op: "peekEntry", key }) as const),
  { op: "getMany", keys: History.KEYS }
]

/** What else can be seen: a server needs longer for it. */
const LISTINGS: ReadonlyArray<Answers.Question> = [
  ...History.KEYS.map((key) => ({ op: "ttl", key }) as const),
  { op: "scan", pattern: "*" }
]

const TAGGED: ReadonlyArray<Answers.Question> = History.TAGS.map((tag) => ({ op: "keysByTag", tag }))

const compareContent = (twins: Twins) => compareAll(twins, twins.clock === "live" ? CONTENT : [...CONTENT, ...LISTINGS])

const compareAll = (twins: Twins, questions: ReadonlyArray<Answers.Question>) =>
  Effect.forEach(questions, (question) => compare(twins, question), { discard: true })

const compare = (twins: Twins, operation: Answers.Question) => {
  const { clock, model } = twins
  const expected = model.apply(operation)
  return Effect.map(Answers.answer(twins, operation), (actual) => {
    // a process need not hold what is stored
    if ((operation.op === "peek" || operation.op === "peekEntry") && actual === undefined) return
    if (operation.op === "ttl" && clock === "live" && typeof actual === "number" && typeof expected === "number") {
      assert.approximately(actual, expected, LIVE_SLACK_MILLIS)
    } else {
      expect({ asked: operation.op, answer: actual }).toStrictEqual({ asked: operation.op, answer: expected })
    }
  })
}

/** How far a live TTL may be from what the model says, which knows no time but the waits: a slow machine's history. */
const LIVE_SLACK_MILLIS = 600_000
