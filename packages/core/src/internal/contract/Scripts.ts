/**
 * Atomic scripts.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import * as CacheError from "../../CacheError.ts"
import * as Codec from "../../Codec.ts"
import * as Script from "../../Script.ts"
import { LONG, reasonOf, SHORT, store, type Test } from "./Subject.ts"

const numberOf = (raw: unknown): number => {
  const value = Number(raw)
  if (raw === null || !Number.isFinite(value))
    throw CacheError.make("run", "Decode", "the script did not answer with a number")
  return value
}

/** Counts up to a limit: the new count, or -1 and no change. */
export const counter = Script.make<number, { readonly limit: number; readonly ttlMillis: number }, number>({
  name: "contract-counter",
  type: "contract-counter",
  lua: `
    local count = tonumber(redis.call("HGET", KEYS[1], "count") or "0")
    if count >= tonumber(ARGV[1]) then return -1 end
    redis.call("HSET", KEYS[1], "count", count + 1)
    if count == 0 then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
    return count + 1
  `,
  args: ({ limit, ttlMillis }) => [limit, ttlMillis],
  reply: numberOf,
  reducer: (slots, { limit, ttlMillis }) => {
    const count = slots.get(0) ?? 0
    if (count >= limit) return -1
    if (count === 0) slots.set(0, count + 1, ttlMillis)
    else slots.set(0, count + 1)
    return count + 1
  }
})

/** Moves all of one count to another key; refuses a count of 3 by an error. */
const move = Script.make<number, { readonly ttlMillis: number }, number>({
  name: "contract-move",
  type: "contract-counter",
  lua: `
    local from = tonumber(redis.call("HGET", KEYS[1], "count") or "0")
    local to = tonumber(redis.call("HGET", KEYS[2], "count") or "0")
    if from == 3 then return redis.error_reply("WRONGTYPE three does not move") end
    redis.call("DEL", KEYS[1])
    redis.call("HSET", KEYS[2], "count", from + to)
    redis.call("PEXPIRE", KEYS[2], ARGV[1])
    return from + to
  `,
  args: ({ ttlMillis }) => [ttlMillis],
  reply: numberOf,
  reducer: (slots, { ttlMillis }) => {
    const total = (slots.get(0) ?? 0) + (slots.get(1) ?? 0)
    const isRefused = slots.get(0) === 3
    slots.delete(0)
    slots.set(1, total, ttlMillis)
    if (isRefused) throw CacheError.make("run", "WrongType", "three does not move")
    return total
  }
})

/** Appends the time to a list; the one before it, or 0. */
const stamp = Script.make<ReadonlyArray<number>, { readonly ttlMillis: number }, readonly [last: number, now: number]>({
  name: "contract-stamp",
  type: "contract-stamps",
  lua: `
    local now = tonumber(ARGV[2])
    if now == nil then
      local time = redis.call("TIME")
      now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    end
    local last = redis.call("LINDEX", KEYS[1], -1)
    local text = string.format("%.0f", now)
    redis.call("RPUSH", KEYS[1], text)
    redis.call("PEXPIRE", KEYS[1], ARGV[1])
    return { last or "0", text }
  `,
  args: ({ ttlMillis }) => [ttlMillis],
  reply: (raw) => (Array.isArray(raw) ? [numberOf(raw[0]), numberOf(raw[1])] : [NaN, NaN]),
  reducer: (slots, { ttlMillis }, now) => {
    const stamps = slots.get(0) ?? []
    slots.set(0, [...stamps, now], ttlMillis)
    return [stamps.at(-1) ?? 0, now]
  }
})

/** Wakes those who are named, and counts how often it did. */
const waking = Script.make<number, ReadonlyArray<string>, number>({
  name: "contract-waking",
  type: "contract-counter",
  wakes: true,
  lua: `
    local names = {}
    for i = 1, tonumber(ARGV[1]) do names[i] = ARGV[i + 1] end
    wake(names)
    return redis.call("HINCRBY", KEYS[1], "count", 1)
  `,
  args: (names) => [names.length, ...names],
  reply: numberOf,
  reducer: (slots, names, _, wake) => {
    const count = (slots.get(0) ?? 0) + 1
    slots.set(0, count)
    wake(names)
    return count
  }
})

const HOUR_MILLIS = 3_600_000

export const register = (test: Test): void => {
  test(
    "a script keeps its state",
    Effect.fnUntraced(function* ({ backend, key }) {
      const count = backend.run(counter, [key("a")], { limit: 2, ttlMillis: HOUR_MILLIS })
      assert.deepStrictEqual([yield* count, yield* count, yield* count], [1, 2, -1])
      assert.strictEqual(yield* backend.run(counter, [key("b")], { limit: 2, ttlMillis: HOUR_MILLIS }), 1)
      assert.isTrue(yield* backend.has(key("a")))
      assert.isTrue(yield* backend.delete(key("a")))
      assert.strictEqual(yield* count, 1)
    }),
    "run"
  )

  test(
    "concurrent runs of a script are one after another",
    Effect.fnUntraced(function* ({ backend, key }) {
      const count = backend.run(counter, [key("a")], { limit: 30, ttlMillis: HOUR_MILLIS })
      const replies = yield* Effect.all(
        Array.from({ length: 50 }, () => count),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        replies.filter((reply) => reply > 0).toSorted((a, b) => a - b),
        Array.from({ length: 30 }, (_, i) => i + 1)
      )
      assert.strictEqual(replies.filter((reply) => reply === -1).length, 20)
    }),
    "run"
  )

  test(
    "a script's state expires, and a later write keeps its deadline",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const brief = backend.run(counter, [key("brief")], { limit: 1000, ttlMillis: Duration.toMillis(SHORT) })
      const long = backend.run(counter, [key("long")], { limit: 1000, ttlMillis: HOUR_MILLIS })
      yield* long
      yield* long
      yield* brief
      yield* brief
      yield* subject.elapse
      yield* subject.eventually(Effect.map(backend.has(key("brief")), (has) => !has))
      assert.strictEqual(yield* brief, 1)
      assert.strictEqual(yield* long, 3)
    }),
    "run"
  )

  test(
    "a script over several keys is one step",
    Effect.fnUntraced(function* ({ backend, prefix }) {
      // on a cluster, the keys of a script share a slot
      const [from, to] = [`{${prefix}}:from`, `{${prefix}}:to`]
      const count = backend.run(counter, [from], { limit: 9, ttlMillis: HOUR_MILLIS })
      yield* count
      yield* count
      assert.strictEqual(yield* backend.run(move, [from, to], { ttlMillis: HOUR_MILLIS }), 2)
      assert.isFalse(yield* backend.has(from))
      assert.strictEqual(yield* backend.run(counter, [to], { limit: 9, ttlMillis: HOUR_MILLIS }), 3)
      yield* backend.deleteMany([from, to])
    }),
    "run"
  )

  test(
    "a script that fails changes nothing",
    Effect.fnUntraced(function* ({ backend, prefix }) {
      const [from, to] = [`{${prefix}}:from`, `{${prefix}}:to`]
      const count = backend.run(counter, [from], { limit: 9, ttlMillis: HOUR_MILLIS })
      yield* Effect.all([count, count, count])
      assert.strictEqual(yield* reasonOf(backend.run(move, [from, to], { ttlMillis: HOUR_MILLIS })), "WrongType")
      assert.isFalse(yield* backend.has(to))
      assert.strictEqual(yield* count, 4)
      yield* backend.deleteMany([from])
    }),
    "run"
  )

  test(
    "the time of a script is in microseconds and does not step back",
    Effect.fnUntraced(function* (subject) {
      const run = subject.backend.run(stamp, [subject.key("stamps")], { ttlMillis: HOUR_MILLIS })
      const [none, first] = yield* run
      assert.strictEqual(none, 0)
      yield* subject.elapse
      const [last, second] = yield* run
      assert.strictEqual(last, first)
      assert.isTrue(Number.isSafeInteger(first) && Number.isSafeInteger(second))
      // the time that passed was at least almost the short TTL
      assert.isAtLeast(second - first, 50_000)
    }),
    "run"
  )

  test(
    "a script that wakes is heard by all who listen, and is no change",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const woken: Array<ReadonlyArray<string>> = []
      const changes: Array<string> = []
      let isConnected = false
      yield* backend.listen({
        onMessage: ({ keys, kind }) => void (kind === "woken" && woken.push(keys)),
        onConnected: () => {
          isConnected = true
        },
        onDisconnected: () => {}
      })
      yield* subject.eventually(Effect.sync(() => isConnected))
      const feed = Stream.runForEach(backend.changes, ({ keys, kind }) =>
        Effect.sync(() => changes.push(...keys.map((each) => `${kind} ${each}`)))
      )
      yield* Effect.forkScoped(feed, { startImmediately: true })
      const names = ["", subject.prefix, "ü:*{}"]
      yield* backend.run(waking, [key("a")], names)
      yield* backend.run(waking, [key("a")], [subject.prefix])
      const own = () => woken.filter((each) => each.includes(subject.prefix))
      yield* subject.eventually(Effect.sync(() => own().length === 2))
      assert.deepStrictEqual(own(), [names, [subject.prefix]])
      const last = `set ${key("last")}`
      yield* subject.eventually(Effect.map(store(subject, key("last"), 1), () => changes.includes(last)))
      assert.deepStrictEqual(
        changes.filter((change) => change.includes(subject.prefix) && change !== last),
        []
      )
    }),
    "run"
  )

  test(
    "a script over a key of another type fails with WrongType",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const count = (name: string) => backend.run(counter, [key(name)], { limit: 9, ttlMillis: HOUR_MILLIS })
      yield* store(subject, key("entry"), 1)
      assert.strictEqual(yield* reasonOf(count("entry")), "WrongType")
      yield* backend.run(stamp, [key("stamps")], { ttlMillis: HOUR_MILLIS })
      assert.strictEqual(yield* reasonOf(count("stamps")), "WrongType")
      assert.strictEqual((yield* backend.get(key("entry"), Codec.msgpack))?.value, 1)
    }),
    "run"
  )

  test(
    "a script's state is no entry",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* backend.run(counter, [key("state")], { limit: 9, ttlMillis: HOUR_MILLIS })
      yield* store(subject, key("entry"), 1)
      assert.strictEqual(yield* reasonOf(backend.get(key("state"), Codec.msgpack)), "WrongType")
      assert.isUndefined(backend.peek(key("state"), Codec.msgpack))
      const many = yield* backend.getMany([key("state"), key("entry")], Codec.msgpack)
      assert.deepStrictEqual(
        many.map((entry) => entry?.value),
        [undefined, 1]
      )
      if (!backend.unsupported.has("expire")) {
        assert.strictEqual(yield* reasonOf(backend.expire(key("state"), LONG)), "WrongType")
      }
      if (!backend.unsupported.has("increment")) {
        assert.strictEqual(yield* reasonOf(backend.increment(key("state"), { ttl: LONG })), "WrongType")
      }
      assert.isFalse(yield* backend.set(key("state"), Codec.msgpack, 1, { ttl: LONG, only: "absent" }))
      assert.strictEqual(yield* backend.deletePattern(subject.pattern("*")), 2)
    }),
    "run"
  )
}
