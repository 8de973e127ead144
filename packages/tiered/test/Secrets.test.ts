import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, Entity, type EntityCache, LocalStore, Secrets } from "@tiercache/core"
import { LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"

const ring = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) }])

const Session = Schema.Struct({ token: Schema.String })

const options = {
  key: { id: Schema.NonEmptyString },
  value: Session,
  ttl: "10 seconds",
  grace: "10 seconds",
  negativeTtl: "10 seconds",
  onWrite: "update"
} as const

const Plain = Entity.make("auth", "session", options)
const NotLocal = Entity.make("auth", "session", { ...options, l1: false })
const Secret = Entity.make("auth", "session", { ...options, secret: true })
const SecretInL1 = Entity.make("auth", "session", { ...options, secret: true, l1: true })

/** A process of a fleet over one store. What its L1 was ever given is in `kept`. */
const join = Effect.fnUntraced(function* (
  shared: MemoryBackend.Shared,
  origin: string,
  { inProcess, ...options }: Cache.Options & { readonly inProcess: boolean }
) {
  const store = yield* LruStore.make()
  const kept: Array<string> = []
  const local = LocalStore.LocalStore.of({
    ...store,
    set: (key, entry) => {
      kept.push(key)
      return store.set(key, entry)
    }
  })
  const context = yield* Layer.build(MemoryBackend.layerShared(shared, origin))
  // a store that says that it is elsewhere
  const l2 = { ...Context.get(context, CacheBackend.CacheBackend), inProcess }
  const backend = TieredBackend.layer().pipe(
    Layer.provide(Layer.succeedContext(Context.add(context, CacheBackend.CacheBackend, l2))),
    Layer.provide(Layer.succeed(LocalStore.LocalStore, local))
  )
  const built = yield* Layer.build(Layer.provideMerge(Cache.layer(options), backend))
  const { stats } = Context.get(built, CacheBackend.CacheBackend)
  return { cache: Context.get(built, Cache.Cache), stats, kept, store }
})

const fleet = Effect.fnUntraced(function* (options: Cache.Options & { readonly inProcess: boolean }) {
  const shared = yield* MemoryBackend.makeShared()
  return { shared, a: yield* join(shared, "a", options), b: yield* join(shared, "b", options) }
})

/** Does all that could put an entry into L1, in two processes, and checks what it returns. */
const useAll = Effect.fnUntraced(function* (
  a: EntityCache.EntityCache<string, typeof Session.Type>,
  b: EntityCache.EntityCache<string, typeof Session.Type>
) {
  const session = (token: string) => ({ token })
  const never = Effect.die("this is there, and need not be loaded")
  yield* a.set("1", session("one"))
  for (const cache of [a, b]) assert.deepStrictEqual(yield* cache.get("1"), session("one"))
  yield* b.set("1", session("new"))
  for (const cache of [a, b]) assert.deepStrictEqual(yield* cache.get("1"), session("new"))
  yield* a.setMany([
    ["2", session("two")],
    ["3", session("three")]
  ])
  const ids = ["2", "3", "none"]
  for (const cache of [a, b]) {
    assert.deepStrictEqual([...(yield* cache.getMany(ids)).values()], [session("two"), session("three"), undefined])
    assert.deepStrictEqual(yield* cache.getOrLoad("2", never), session("two"))
    assert.deepStrictEqual((yield* cache.lookup("3"))?.value, session("three"))
  }
  assert.deepStrictEqual(yield* a.getOrLoad("4", Effect.succeed(session("four"))), session("four"))
  assert.deepStrictEqual(yield* b.getOrLoad("4", never), session("four"))
  assert.isUndefined(yield* a.getOrLoad("5", Effect.succeed<typeof Session.Type | undefined>(undefined)))
  assert.isUndefined(yield* b.getOrLoad("5", never))
  const loadMany = (missing: ReadonlyArray<string>) => Effect.succeed(missing.map((id) => [id, session(id)] as const))
  assert.deepStrictEqual([...(yield* b.getManyOrLoad(["4", "6"], loadMany)).values()], [session("four"), session("6")])
  assert.deepStrictEqual(yield* a.refresh("6", Effect.succeed(session("six"))), session("six"))
  assert.deepStrictEqual(yield* b.get("6"), session("six"))
  assert.isTrue(yield* b.expire("6", "20 seconds"))
  for (const cache of [a, b]) assert.deepStrictEqual(yield* cache.get("6", { fresh: true }), session("six"))
  yield* TestClock.adjust("15 seconds")
  assert.isTrue((yield* b.lookup("1"))?.stale)
  assert.isTrue(yield* a.delete("2"))
  for (const cache of [a, b]) assert.isUndefined(yield* cache.get("2"))
})

const KINDS: ReadonlyArray<
  readonly [name: string, entity: typeof Plain, options: Cache.Options & { readonly inProcess: boolean }]
> = [
  ["that is not to be in L1", NotLocal, { inProcess: true }],
  ["that is secret, in this process", Secret, { inProcess: true }],
  ["that is secret, and encrypted", Secret, { inProcess: false, secrets: ring }]
]

describe("an entity", () => {
  for (const [name, entity, options] of KINDS) {
    it.effect(`${name} is never in L1, whatever is done`, () =>
      Effect.gen(function* () {
        const { a, b } = yield* fleet(options)
        yield* useAll(a.cache.entity(entity), b.cache.entity(entity))
        for (const { cache, kept, store } of [a, b]) {
          assert.deepStrictEqual(kept, [])
          assert.strictEqual(store.stats().entries, 0)
          assert.isUndefined(cache.entity(entity).peek("1"))
          assert.strictEqual(cache.metrics().l1Hits, 0)
        }
      })
    )
  }

  for (const [name, entity, options] of [
    ["that is not secret", Plain, { inProcess: true }],
    ["that is secret, and asks for it", SecretInL1, { inProcess: false, secrets: ring }]
  ] as const) {
    it.effect(`${name} is in L1, as the value itself`, () =>
      Effect.gen(function* () {
        const { a, b } = yield* fleet(options)
        const [ofA, ofB] = [a.cache.entity(entity), b.cache.entity(entity)]
        yield* useAll(ofA, ofB)
        for (const { kept } of [a, b]) assert.isAbove(kept.length, 0)
        yield* ofA.set("7", { token: "seven" })
        const held = ofA.peek("7")
        assert.deepStrictEqual(held, { token: "seven" })
        assert.strictEqual(ofA.peek("7"), held)
        assert.strictEqual(a.cache.entity(entity).peek("7"), held, "another handle reads with the same codec")
        yield* ofB.get("7")
        yield* ofA.set("7", { token: "pushed" })
        assert.deepStrictEqual(ofB.peek("7"), { token: "pushed" })
      })
    )
  }

  it.effect("that is not in L1 is loaded once for all who ask at the same time", () =>
    Effect.gen(function* () {
      const { a, b } = yield* fleet({ inProcess: false, secrets: ring })
      let loads = 0
      const load = Effect.gen(function* () {
        loads++
        yield* Effect.sleep("1 second")
        return { token: "loaded" }
      })
      const caches = [a, a, a, b, b].map(({ cache }) => cache.entity(Secret))
      const fibers = yield* Effect.forEach(caches, (cache) =>
        Effect.forkChild(cache.getOrLoad("1", load), { startImmediately: true })
      )
      yield* TestClock.adjust("2 seconds")
      for (const fiber of fibers) {
        assert.deepStrictEqual(yield* Fiber.join(fiber), { token: "loaded" })
      }
      assert.strictEqual(loads, 1)
    })
  )
})

describe("a cache without keys", () => {
  it.effect("refuses secret entities where values leave the process, whatever is done", () =>
    Effect.gen(function* () {
      const { a, shared } = yield* fleet({ inProcess: false })
      const secret = a.cache.entity(Secret)
      const load = Effect.die("nothing is to be loaded")
      const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        secret.get("1"),
        secret.get("1", { fresh: true }),
        secret.getMany(["1"]),
        secret.lookup("1"),
        secret.lookup("1", load),
        secret.getOrLoad("1", load),
        secret.getManyOrLoad(["1"], () => load),
        secret.refresh("1", load),
        secret.set("1", { token: "one" }),
        secret.setMany([["1", { token: "one" }]]),
        secret.delete("1"),
        secret.deleteMany(["1"]),
        secret.has("1"),
        secret.ttl("1"),
        secret.expire("1", "1 minute")
      ]
      for (const operation of operations) {
        assert.deepInclude(yield* Effect.flip(operation), { _tag: "CacheError", reason: "InvalidOption" })
      }
      assert.throws(() => secret.peek("1"), /secrets/)
      assert.strictEqual(shared.store.stats().entries, 0)
      // and nothing else
      assert.isTrue(yield* a.cache.entity(Plain).set("1", { token: "one" }))
    })
  )

  it.effect("needs none where values stay in the process", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.provide(Cache.layer(), MemoryBackend.layer()))
      const cache = Context.get(context, Cache.Cache)
      const secret = cache.entity(Secret)
      yield* secret.set("1", { token: "one" })
      assert.deepStrictEqual(yield* secret.get("1"), { token: "one" })
      assert.deepStrictEqual(secret.peek("1"), { token: "one" })
    })
  )
})

describe("plain text and ciphertext", () => {
  it.effect("are misses for who expects the other, and counted", () =>
    Effect.gen(function* () {
      const { a } = yield* fleet({ inProcess: false, secrets: ring })
      const [plain, secret] = [a.cache.entity(Plain), a.cache.entity(SecretInL1)]
      yield* plain.set("1", { token: "plain" })
      assert.isUndefined(yield* secret.get("1"))
      assert.strictEqual(a.stats().unreadable, 1)
      yield* secret.set("1", { token: "secret" })
      assert.isUndefined(yield* plain.get("1"))
      assert.isUndefined(yield* a.cache.get(Plain.key("1")))
      assert.strictEqual(a.stats().unreadable, 3)
      assert.deepStrictEqual(yield* plain.getOrLoad("1", Effect.succeed({ token: "loaded" })), { token: "loaded" })
    })
  )
})
