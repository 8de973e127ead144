import { assert, layer } from "@effect/vitest"
import { Codec, Envelope, type Invalidation, Lease } from "@tiercache/core"
import { Effect, Stream } from "effect"
import { fill, HOUR, loaded, setup, take, takeMany, withServer } from "./leasing.ts"
import { eventually, makeBackend, set, uniqueKey } from "./support.ts"

type Ended = ReturnType<Lease.Leases["release" | "fill"]>

layer(withServer, { excludeTestServices: true })("what is said of leases", (it) => {
  /** What others hear of the keys of this test, and what the change feed tells. */
  const listening = Effect.gen(function* () {
    const { backend, url } = yield* setup
    const other = yield* makeBackend({ url })
    const heard: Array<Invalidation.Message> = []
    let connected = false
    yield* other.listen({
      onMessage: (message) => heard.push(message),
      onConnected: () => {
        connected = true
      },
      onDisconnected: () => {}
    })
    const changes: Array<Invalidation.Message> = []
    yield* Effect.forkScoped(
      Stream.runForEach(other.changes, (change) => Effect.sync(() => changes.push(change))),
      { startImmediately: true }
    )
    yield* eventually(Effect.sync(() => connected))
    /** All that was said until now. */
    const said = Effect.gen(function* () {
      const end = uniqueKey("end")
      yield* set(backend, end, 1)
      yield* eventually(Effect.sync(() => [heard, changes].every((messages) => messages.at(-1)?.keys[0] === end)))
      const lines = (messages: ReadonlyArray<Invalidation.Message>) =>
        messages.filter(({ keys }) => keys[0] !== end).map(({ keys, kind }) => `${kind} ${keys.join(" ")}`)
      const all = { heard: lines(heard), changes: lines(changes), messages: heard.slice(0, -1) }
      heard.length = 0
      changes.length = 0
      return all
    })
    return { backend, other, said }
  })

  it.effect("is nothing as long as nobody waits and no value is replaced", () =>
    Effect.gen(function* () {
      const { backend, said } = yield* listening
      const [filled, released, failed] = [uniqueKey("filled"), uniqueKey("released"), uniqueKey("failed")]
      const keys = [filled, released, failed]
      const { token } = yield* takeMany(backend, keys)
      yield* backend.leases.renew(keys, token, HOUR)
      yield* fill(backend, filled, token, "loaded", { push: true, writeId: 7 })
      yield* backend.leases.release([released], token)
      yield* backend.leases.release([failed], token, { failedForMillis: HOUR })
      assert.deepInclude(yield* said, { heard: [], changes: [] })
    })
  )

  it.effect("is who may go on, in one message for all keys, and no change", () =>
    Effect.gen(function* () {
      const { backend, other, said } = yield* listening
      const { leases } = backend
      const ends: Readonly<Record<string, (keys: ReadonlyArray<string>, token: string) => Ended>> = {
        fill: (keys, token) =>
          leases.fill(
            keys.map((key) => loaded(key, 1)),
            { token }
          ),
        release: (keys, token) => leases.release(keys, token),
        fail: (keys, token) => leases.release(keys, token, { failedForMillis: 0 }),
        failForLong: (keys, token) => leases.release(keys, token, { failedForMillis: HOUR })
      }
      for (const [name, end] of Object.entries(ends)) {
        const kind = name.startsWith("fail") ? "failed" : "released"
        const [a, b, alone] = [uniqueKey("a"), uniqueKey("b"), uniqueKey("alone")]
        const { token } = yield* takeMany(backend, [a, alone, b])
        yield* takeMany(other, [a, b])
        yield* takeMany(other, [b])
        yield* end([a, alone, b], token)
        const { changes, heard, messages } = yield* said
        assert.deepStrictEqual({ heard, changes }, { heard: [`${kind} ${a} ${b}`], changes: [] })
        assert.deepStrictEqual(
          messages.map((message) => Lease.tokenOfMessage(message)),
          [token]
        )
      }
    })
  )

  it.effect("reaches those who waited for somebody who never came back", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const { other, said } = yield* listening
      const key = uniqueKey("a")
      const lost = yield* take(backend, key)
      yield* takeMany(other, [key])
      // its time is over, and yet it lies there, as it does beside a value
      const bytes = yield* Effect.promise(() => client.getBuffer(key))
      assert.isNotNull(bytes)
      bytes.writeUIntBE(1, Envelope.HEADER_BYTES, Envelope.TIME_BYTES)
      yield* Effect.promise(() => client.set(key, bytes))
      const next = yield* take(backend, key)
      assert.strictEqual(next.lease, "Granted")
      assert.isFalse(yield* fill(backend, key, lost.token, "late"))
      assert.isTrue(yield* fill(backend, key, next.token, "loaded"))
      assert.deepInclude(yield* said, { heard: [`released ${key}`] })
    })
  )

  it.effect("is a set where a value was replaced, pushed if that was asked, and under the writer's number", () =>
    Effect.gen(function* () {
      const { backend, other, said } = yield* listening
      const [keyOnly, pushed, absent, large] = [
        uniqueKey("keyOnly"),
        uniqueKey("pushed"),
        uniqueKey("absent"),
        uniqueKey("large")
      ]
      const keys = [keyOnly, pushed, absent, large]
      for (const key of keys) yield* set(backend, key, "old")
      yield* said
      const { token } = yield* takeMany(backend, keys, { when: "always" })
      yield* takeMany(other, keys, { when: "always" })
      assert.isTrue(yield* fill(backend, keyOnly, token, "new", { writeId: 7 }))
      assert.isTrue(yield* fill(backend, pushed, token, "new", { writeId: 8, push: true }))
      assert.isTrue(yield* fill(backend, absent, token, undefined, { writeId: 9, push: true }))
      assert.isTrue(yield* fill(backend, large, token, "x".repeat(300_000), { writeId: 10, push: true }))
      const { changes, heard, messages } = yield* said
      const sets = keys.map((key) => `set ${key}`)
      assert.deepStrictEqual({ heard, changes }, { heard: sets, changes: sets })
      assert.deepStrictEqual(
        messages.map(({ pushed, writeId }) => [
          writeId,
          pushed?.map(({ payload }) => Codec.msgpack.decode(payload, ""))
        ]),
        [
          [7, undefined],
          [8, ["new"]],
          [9, undefined],
          [10, undefined]
        ]
      )
      const entry = yield* backend.get(pushed, Codec.msgpack)
      assert.strictEqual(messages[1]?.pushed?.[0]?.version, entry?.version)
      assert.deepInclude(yield* backend.get(absent, Codec.msgpack), { value: undefined })
    })
  )

  it.effect("is, of a delete, what a delete says of nothing", () =>
    Effect.gen(function* () {
      const { backend, said } = yield* listening
      const [leased, awaited] = [uniqueKey("leased"), uniqueKey("awaited")]
      yield* takeMany(backend, [leased, awaited])
      yield* takeMany(backend, [awaited])
      assert.strictEqual(yield* backend.deleteMany([leased, awaited]), 0)
      assert.deepInclude(yield* said, { heard: [`delete ${leased} ${awaited}`], changes: [] })
    })
  )
})
