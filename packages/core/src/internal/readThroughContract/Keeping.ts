/**
 * For how long values and absences are kept.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Entity from "../../Entity.ts"
import * as Source from "./Source.ts"
import { LONG, SHORT, start, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "an absence is known for its own TTL, and not at all without one",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const source = Source.ready(() => Effect.undefined)
      for (const calls of [1, 2]) {
        const found = yield* cache.lookup("a", source.load, { ttl: LONG, grace: LONG })
        assert.deepStrictEqual([found.value, found.tier, found.stale], [undefined, "loader", false])
        assert.strictEqual(source.calls(), calls)
      }
      yield* cache.getOrLoad("a", source.load, { ttl: LONG, grace: LONG, negativeTtl: SHORT })
      yield* subject.elapse
      yield* subject.eventually(
        Effect.map(cache.getOrLoad("a", source.load, { negativeTtl: LONG }), () => source.calls() > 3)
      )
      assert.isUndefined(yield* cache.getOrLoad("a", source.load))
      assert.strictEqual(source.calls(), 4)
    })
  )

  test(
    "a TTL may depend on the value; one that is none fails all who wait, and the next caller loads",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const ttl = (value: unknown) => (value === "hour" ? "1 hour" : value === "minute" ? "1 minute" : "0 seconds")
      for (const unit of ["hour", "minute"]) {
        yield* cache.getOrLoad(unit, Effect.succeed(unit), { ttl })
        const left = yield* cache.ttl(unit)
        assert.closeTo(Duration.toMinutes(left ?? Duration.zero), unit === "hour" ? 60 : 1, 0.9)
      }
      const source = Source.gated(() => Effect.succeed("none"))
      const callers = [yield* start(Effect.flip(cache.getOrLoad("a", source.load, { ttl })))]
      callers.push(yield* start(Effect.flip(cache.getOrLoad("a", source.load, { ttl }))))
      yield* source.open
      for (const caller of callers) assert.strictEqual((yield* Fiber.join(caller)).reason, "InvalidOption")
      assert.strictEqual(yield* cache.getOrLoad("a", Effect.succeed("hour"), { ttl }), "hour")
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a value that its TTL does not keep is for those who wait; a write of one deletes what was there",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const limits = a.cache.entity(
        Entity.make("unkept", "number", {
          key: { name: Schema.String },
          value: Schema.Number,
          ttl: (value) => (value > 0 ? LONG : undefined)
        })
      )
      const source = Source.gated(() => Effect.succeed(0))
      const first = yield* start(limits.getOrLoad("a", source.load))
      const second = yield* start(limits.lookup("a", source.load))
      yield* source.open
      assert.strictEqual(yield* Fiber.join(first), 0)
      const loaded = yield* Fiber.join(second)
      assert.containSubset(loaded, { value: 0, tier: "loader", superseded: false })
      assert.isFalse(yield* limits.has("a"))
      assert.strictEqual(yield* limits.getOrLoad("a", Effect.succeed(1)), 1, "nobody holds the lease")

      assert.isFalse(yield* limits.set("a", 0, { only: "absent" }))
      assert.strictEqual(yield* limits.get("a"), 1)
      assert.isFalse(yield* limits.set("a", 0))
      assert.isUndefined(yield* limits.get("a"))
      assert.isUndefined(yield* b.cache.get("unkept:number:a", { fresh: true }))

      const many = [
        ["a", 1],
        ["b", 2]
      ] as const
      assert.strictEqual(yield* limits.setMany(many), 2)
      const changed = [
        ["a", 0],
        ["b", 3],
        ["c", 0]
      ] as const
      assert.strictEqual(yield* limits.setMany(changed), 1)
      assert.deepStrictEqual([...(yield* limits.getMany(["a", "b", "c"])).values()], [undefined, 3, undefined])
      assert.isTrue(yield* limits.set("c", 0, { ttl: LONG }), "the TTL of a call replaces the entity's")
    })
  )

  test(
    "jitter takes time off, and never adds any",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const times = yield* Effect.forEach(Array.from({ length: 30 }), (_, index) =>
        Effect.gen(function* () {
          const id = `jittered:${index}`
          yield* a.cache.getOrLoad(id, Effect.succeed(1), { ttl: "100 minutes", jitter: 0.5 })
          const { expiresIn } = yield* b.cache.lookup(id, Effect.die("not to be loaded"), { jitter: 0.5 })
          const left = Duration.toMinutes((yield* a.cache.ttl(id)) ?? Duration.zero)
          assert.isAtMost(left, 100)
          assert.isAtLeast(left, 49)
          assert.isAtMost(Duration.toMinutes(expiresIn), left + 0.01, "a copy does not outlive the original")
          return left
        })
      )
      assert.isAbove(new Set(times.map(Math.round)).size, 5, "they differ")
    })
  )

  test(
    "an entity's jitter counts for the TTL of a write too",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const numbers = cache.entity(
        Entity.make("jittered", "number", { key: { n: Schema.Int }, value: Schema.Number, jitter: 0.5 })
      )
      const ids = Array.from({ length: 30 }, (_, index) => index)
      yield* numbers.set(0, 0, { ttl: "100 minutes" })
      yield* numbers.setMany(
        ids.slice(1).map((id) => [id, id] as const),
        { ttl: "100 minutes" }
      )
      const minutes = yield* Effect.forEach(ids, (id) =>
        Effect.map(numbers.ttl(id), (ttl) => Duration.toMinutes(ttl ?? Duration.zero))
      )
      for (const left of minutes) assert.isTrue(left >= 49 && left <= 100)
      assert.isAbove(new Set(minutes.map(Math.round)).size, 5, "they differ")
    })
  )

  test(
    "what a call gives as undefined is the entity's",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const numbers = cache.entity(
        Entity.make("patient", "number", { key: { n: Schema.Int }, value: Schema.Number, ttl: LONG, grace: LONG })
      )
      const found = yield* numbers.lookup(1, Effect.succeed(1), { ttl: undefined, grace: undefined, hardTimeout: LONG })
      assert.isAbove(Duration.toMinutes(found.expiresIn), 30)
    })
  )

  test(
    "a copy in another cache has the time that is left",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const source = Source.ready(Source.numbered("value"))
      yield* a.cache.getOrLoad("a", source.load, { ttl: "10 seconds" })
      yield* TestClock.adjust("6 seconds")
      const found = yield* b.cache.lookup("a", source.load, { ttl: "10 seconds" })
      assert.deepStrictEqual([found.value, Duration.toSeconds(found.expiresIn)], ["value 1", 4])
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load), "value 2")
    }),
    { needs: "testClock" }
  )
}
