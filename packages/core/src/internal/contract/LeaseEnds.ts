/**
 * How leases end otherwise than by a load: they run out and are taken over, are renewed, released, or given up after a failure.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as Codec from "../../Codec.ts"
import { describe, fill, grant, LONG_MILLIS, look, SHORT_MILLIS, storeStale, take } from "./Loading.ts"
import { store, type Test, valueOf } from "./Subject.ts"

export const register = (test: Test): void => {
  const leased = (name: string, body: Parameters<Test>[1]) => test(name, body, "leases")

  leased(
    "a lease that is over goes to the next who asks, and its holder's load is refused",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const keys = [key("missing"), key("stale")] as const
      yield* storeStale(subject, [key("stale")], "stale")
      const first = yield* grant(subject, keys, { millis: SHORT_MILLIS })
      yield* subject.elapse
      for (const key of keys) {
        const second = backend.leases.token()
        yield* subject.eventually(Effect.map(take(subject, key, { token: second }), ({ _tag }) => _tag === "Granted"))
        assert.deepStrictEqual(yield* backend.leases.renew([key], first, LONG_MILLIS), [false])
        assert.isFalse(yield* fill(subject, key, first, "late"))
        yield* backend.leases.release([key], first)
        assert.deepInclude(yield* take(subject, key), { _tag: "Held", token: second })
        assert.isTrue(yield* fill(subject, key, second, "loaded"))
        assert.isFalse(yield* fill(subject, key, first, "late"))
        assert.strictEqual(yield* valueOf(subject, key), "loaded")
      }
    })
  )

  leased(
    "a load is stored although its lease is over, if nobody has taken that or written",
    Effect.fnUntraced(function* (subject) {
      const [key, written] = [subject.key("a"), subject.key("written")]
      yield* storeStale(subject, [key, written], "stale")
      const token = yield* grant(subject, [key, written], { millis: SHORT_MILLIS })
      yield* subject.elapse
      yield* store(subject, written, "other")
      assert.isTrue(yield* fill(subject, key, token, "loaded"))
      assert.isFalse(yield* fill(subject, written, token, "loaded"))
      assert.strictEqual(yield* valueOf(subject, key), "loaded")
      assert.strictEqual(yield* valueOf(subject, written), "other")
    })
  )

  leased(
    "a lease that is renewed lasts",
    Effect.fnUntraced(function* (subject) {
      const { leases } = subject.backend
      const [stale, taken, missing] = [subject.key("stale"), subject.key("taken"), subject.key("missing")]
      // beside an entry, a lease can be renewed even after its end: a slow machine changes nothing
      yield* storeStale(subject, [stale], "stale")
      const token = yield* grant(subject, [stale], { millis: SHORT_MILLIS })
      yield* grant(subject, [taken])
      assert.deepStrictEqual(yield* leases.renew([taken, stale, missing], token, LONG_MILLIS), [false, true, false])
      yield* subject.elapse
      const held = yield* take(subject, stale)
      assert.isTrue(held._tag === "Held" && held.token === token && held.millis > LONG_MILLIS / 2)
      const again = yield* grant(subject, [missing])
      assert.deepStrictEqual(yield* leases.renew([missing, stale], again, LONG_MILLIS), [true, false])
      assert.isTrue(yield* fill(subject, stale, token, "loaded"))
    })
  )

  leased(
    "a renewed lease without an entry lasts",
    Effect.fnUntraced(function* (subject) {
      const { leases } = subject.backend
      const key = subject.key("a")
      // on a slow machine a brief lease may be over before it can be renewed
      let token = leases.token()
      yield* subject.eventually(
        Effect.gen(function* () {
          token = leases.token()
          const { _tag } = yield* take(subject, key, { token, millis: SHORT_MILLIS })
          const renewed = yield* leases.renew([key], token, LONG_MILLIS)
          return _tag === "Granted" && renewed[0] === true
        })
      )
      yield* subject.elapse
      assert.deepInclude(yield* take(subject, key), { _tag: "Held", token })
      assert.isTrue(yield* fill(subject, key, token, "loaded"))
    })
  )

  leased(
    "a lease that is released is there for the next, and what was there before stays",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const keys = [key("missing"), key("stale"), key("fresh")] as const
      yield* storeStale(subject, [key("stale")], "stale")
      yield* store(subject, key("fresh"), "fresh")
      const token = yield* grant(subject, keys, { when: "always" })
      yield* backend.leases.release(keys, "somebody:1")
      for (const key of keys) assert.strictEqual((yield* look(subject, key, { when: "always" }))[0], "Held")
      yield* backend.leases.release(keys, token)
      assert.deepStrictEqual(
        (yield* backend.getMany(keys, Codec.msgpack)).map((entry) => entry?.value),
        [undefined, "stale", "fresh"]
      )
      assert.isFalse(yield* fill(subject, key("missing"), token, "late"))
      assert.deepStrictEqual(yield* look(subject, key("missing")), ["Granted", undefined])
      assert.deepStrictEqual(yield* look(subject, key("stale")), ["Granted", "stale"])
      assert.deepStrictEqual(yield* look(subject, key("fresh")), ["Hit", "fresh"])
      assert.deepStrictEqual(yield* look(subject, key("fresh"), { when: "always" }), ["Granted", "fresh"])
    })
  )

  leased(
    "after a failed load nobody tries again for a while",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const { leases } = backend
      const keys = [key("missing"), key("stale"), key("fresh")] as const
      yield* storeStale(subject, [key("stale")], "stale")
      yield* store(subject, key("fresh"), "fresh")
      const token = yield* grant(subject, keys, { when: "always" })
      yield* leases.release(keys, token, { failedForMillis: LONG_MILLIS })
      for (const [index, previous] of [undefined, "stale", "fresh"].entries()) {
        const one = keys[index] ?? ""
        const failed = yield* take(subject, one, { when: "always" })
        assert.deepStrictEqual(describe(failed), ["Failed", previous])
        assert.isTrue(failed._tag === "Failed" && failed.millis > 0 && failed.millis <= LONG_MILLIS)
        assert.strictEqual(yield* valueOf(subject, one), previous)
        assert.isFalse(yield* fill(subject, one, token, "late"))
        assert.deepStrictEqual(yield* leases.renew([one], token, LONG_MILLIS), [false])
        yield* leases.release([one], token)
        assert.strictEqual((yield* look(subject, one, { when: "always" }))[0], "Failed")
      }
      assert.deepStrictEqual(yield* look(subject, key("missing")), ["Failed", undefined])
      assert.deepStrictEqual(yield* look(subject, key("fresh")), ["Hit", "fresh"])
      assert.isFalse(yield* backend.has(key("missing")))
      assert.isFalse(yield* backend.delete(key("missing")))
      yield* backend.delete(key("stale"))
      yield* store(subject, key("fresh"), "written")
      assert.deepStrictEqual(yield* look(subject, key("missing")), ["Granted", undefined], "a delete ends it")
      assert.deepStrictEqual(yield* look(subject, key("stale")), ["Granted", undefined])
      assert.deepStrictEqual(yield* look(subject, key("fresh"), { when: "always" }), ["Granted", "written"])
    })
  )

  leased(
    "after a failed load somebody tries again at its time",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const token = yield* grant(subject, [key("soon"), key("at once")])
      yield* backend.leases.release([key("at once")], token, { failedForMillis: 0 })
      assert.deepStrictEqual(yield* look(subject, key("at once")), ["Granted", undefined])
      yield* backend.leases.release([key("soon")], token, { failedForMillis: SHORT_MILLIS })
      yield* subject.elapse
      yield* subject.eventually(Effect.map(look(subject, key("soon")), ([tag]) => tag === "Granted"))
    })
  )
}
