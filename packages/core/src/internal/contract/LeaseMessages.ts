/**
 * What the bus tells of leases: those who wait hear that there is something to ask for, and nobody hears anything else.
 */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Codec from "../../Codec.ts"
import type * as Invalidation from "../../Invalidation.ts"
import * as Lease from "../../Lease.ts"
import { fill, grant, LONG_MILLIS, loaded, look, storeStale } from "./Loading.ts"
import { store, type Subject, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  const leased = (name: string, body: Parameters<Test>[1]) => test(name, body, "leases")

  leased(
    "a lease that nobody waits for is taken, renewed, released and filled in silence",
    Effect.fnUntraced(function* (subject) {
      const { key } = subject
      const { leases } = subject.backend
      const bus = yield* listen(subject)
      const token = yield* grant(subject, [key("a"), key("b"), key("c"), key("d")])
      yield* leases.renew([key("a")], token, LONG_MILLIS)
      assert.isTrue(yield* fill(subject, key("a"), token, "loaded", { push: true }))
      yield* leases.release([key("b")], token)
      yield* leases.release([key("c")], token, { failedForMillis: 0 })
      yield* leases.release([key("d")], token, { failedForMillis: LONG_MILLIS })
      yield* bus.hears([])
    })
  )

  leased(
    "who waits hears that the lease has ended, and which",
    Effect.fnUntraced(function* (subject) {
      const { key } = subject
      const { leases } = subject.backend
      const names = ["filled", "released", "failed", "failed for long", "not awaited"]
      const token = yield* grant(
        subject,
        names.map((name) => key(name))
      )
      for (const name of names.slice(0, 4)) assert.strictEqual((yield* look(subject, key(name)))[0], "Held")
      const bus = yield* listen(subject)
      yield* leases.fill([loaded(key("filled"), 1), loaded(key("not awaited"), 1)], { token })
      yield* leases.release([key("released")], token)
      yield* leases.release([key("failed")], token, { failedForMillis: 0 })
      yield* leases.release([key("failed for long")], token, { failedForMillis: LONG_MILLIS })
      yield* bus.hears([
        `released ${key("filled")}`,
        `released ${key("released")}`,
        `failed ${key("failed")}`,
        `failed ${key("failed for long")}`
      ])
      for (const message of bus.messages) {
        if (namesOf(subject, [message]).length > 0) assert.strictEqual(Lease.tokenOfMessage(message), token)
      }
    })
  )

  leased(
    "a lease that is no longer there ends without a word",
    Effect.fnUntraced(function* (subject) {
      const { key } = subject
      const { leases } = subject.backend
      const keys = [key("a"), key("b")]
      const token = yield* grant(subject, keys)
      for (const key of keys) yield* look(subject, key)
      const bus = yield* listen(subject)
      yield* store(subject, key("a"), "other")
      yield* subject.backend.delete(key("b"))
      yield* bus.hears([`set ${key("a")}`, `delete ${key("b")}`])
      assert.isFalse(yield* fill(subject, key("a"), token, "late"))
      yield* leases.release(keys, token, { failedForMillis: LONG_MILLIS })
      yield* bus.hears([])
    })
  )

  leased(
    "a load that replaces an entry is announced as a set, whoever waits",
    Effect.fnUntraced(function* (subject) {
      const { key } = subject
      yield* storeStale(subject, [key("stale")], "old")
      yield* store(subject, key("fresh"), "old")
      const keys = [key("missing"), key("stale"), key("fresh")]
      const token = yield* grant(subject, keys, { when: "always" })
      for (const name of ["missing", "stale"]) yield* look(subject, key(name))
      const bus = yield* listen(subject)
      yield* subject.backend.leases.fill(
        keys.map((key) => loaded(key, "new")),
        { token }
      )
      yield* bus.hears([`released ${key("missing")}`, `set ${key("stale")}`, `set ${key("fresh")}`])
    })
  )

  leased(
    "a load that is pushed carries what was loaded, and an absence nothing",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const values = { a: { bid: 1.5 }, b: undefined } as const
      const keys = [key("a"), key("b")]
      for (const key of keys) yield* store(subject, key, "old")
      const token = yield* grant(subject, keys, { when: "always" })
      const bus = yield* listen(subject)
      yield* backend.leases.fill([loaded(key("a"), values.a), loaded(key("b"), values.b)], { token, push: true })
      yield* bus.hears([`set ${key("a")}`, `set ${key("b")}`])
      const pushed = new Map(
        bus.messages.flatMap((message) => message.keys.map((key, index) => [key, message.pushed?.[index]]))
      )
      assert.isUndefined(pushed.get(key("b")))
      const push = pushed.get(key("a"))
      const entry = yield* backend.get(key("a"), Codec.msgpack, { fresh: true })
      assert.isDefined(entry)
      // a store without versions has nothing that could be told to be newer
      if (push === undefined && entry.version === 0) return
      assert.isDefined(push)
      assert.deepStrictEqual(Codec.msgpack.decode(push.payload, key("a")), values.a)
      assert.strictEqual(push.version, entry.version)
    })
  )

  leased(
    "the feed of changes has what was loaded over an entry, and nothing else of leases",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      if (backend.unsupported.has("changes")) return
      const changes: Array<Invalidation.Message> = []
      yield* Effect.forkScoped(
        Stream.runForEach(backend.changes, (change) => Effect.sync(() => changes.push(change))),
        { startImmediately: true }
      )
      yield* untilHeard(subject, changes, key("marker", "start"))
      yield* store(subject, key("there"), "old")
      const keys = ["missing", "released", "failed", "deleted", "there"].map((name) => key(name))
      const token = yield* grant(subject, keys, { when: "always" })
      for (const key of keys) yield* look(subject, key, { when: "always" })
      yield* backend.leases.fill([loaded(key("missing"), "new"), loaded(key("there"), "new")], { token })
      yield* backend.leases.release([key("released")], token)
      yield* backend.leases.release([key("failed")], token, { failedForMillis: LONG_MILLIS })
      yield* backend.delete(key("deleted"))
      yield* subject.eventually(Effect.sync(() => namesOf(subject, changes).length >= 2))
      yield* untilHeard(subject, changes, key("marker", "end"))
      assert.deepStrictEqual(namesOf(subject, changes), [`set ${key("there")}`, `set ${key("there")}`])
    })
  )
}

/** Listens to the bus; returns once messages certainly arrive. */
export const listen = Effect.fnUntraced(function* (subject: Subject) {
  const messages: Array<Invalidation.Message> = []
  yield* subject.backend.listen({
    onMessage: (message) => messages.push(message),
    onConnected: () => {},
    onDisconnected: () => {}
  })
  yield* untilHeard(subject, messages, subject.key("marker", "start"))
  let seen = messages.length

  // what is announced of this test's keys since this was last asked; only messages about one key come in the order of the writes
  const hears = Effect.fnUntraced(function* (expected: ReadonlyArray<string>) {
    const names = () => namesOf(subject, messages.slice(seen))
    yield* subject.eventually(Effect.sync(() => names().length >= expected.length))
    yield* untilHeard(subject, messages, subject.key("marker", `${seen}`))
    assert.deepStrictEqual(names().toSorted(), [...expected].toSorted())
    seen = messages.length
  })
  return { messages, hears }
})

/** Writes a key until that is heard, since a message may arrive after the write that it tells of was acknowledged. */
const untilHeard = (subject: Subject, messages: ReadonlyArray<Invalidation.Message>, marker: string) =>
  subject.eventually(Effect.map(store(subject, marker, 1), () => messages.some(({ keys }) => keys.includes(marker))))

const namesOf = (subject: Subject, messages: ReadonlyArray<Invalidation.Message>): ReadonlyArray<string> =>
  messages
    .flatMap(({ keys, kind }) => keys.map((key) => [kind, key] as const))
    .filter(([, key]) => key.startsWith(`${subject.prefix}:`) && !key.startsWith(subject.key("marker")))
    .map(([kind, key]) => `${kind} ${key}`)
