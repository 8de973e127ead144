import { assert, describe, it } from "@effect/vitest"
import { CacheError, createCache, Entity, EntityCache, Loader, Schema } from "tiercache"

const Profiles = Entity.make("user", "profile", {
  key: { userId: Schema.NonEmptyString },
  value: Schema.Struct({ name: Schema.String }),
  ttl: "1 hour"
})

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error
  )

const reasonOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await failureOf(promise)
  return CacheError.isCacheError(error) ? error.reason : `not a CacheError: ${String(error)}`
}

/** Ends when told, with a value. */
const gate = <A>() => {
  const { promise, resolve } = Promise.withResolvers<A>()
  return { promise, open: resolve }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(setImmediate)
}

describe("getOrLoad of promises", () => {
  it("loads once for all, and then hits", async () => {
    await using cache = await createCache()
    const profiles = cache.entity(Profiles)
    let loads = 0
    const { open, promise } = gate<void>()
    const load = async () => {
      loads++
      await promise
      return { name: "Ada" }
    }
    const callers = Array.from({ length: 10 }, () => profiles.getOrLoad("a", load))
    await until(() => loads > 0)
    open()
    for (const profile of await Promise.all(callers)) assert.deepStrictEqual(profile, { name: "Ada" })
    assert.deepStrictEqual(await profiles.getOrLoad("a", load), { name: "Ada" })
    assert.deepStrictEqual(await profiles.getOrLoad("a", load, { ttl: "1 minute" }), { name: "Ada" })
    assert.deepStrictEqual(profiles.peek("a"), { name: "Ada" })
    assert.strictEqual(loads, 1)
  })

  it("takes values that are no promises, falsy ones and none", async () => {
    await using cache = await createCache()
    for (const [index, value] of [0, false, "", null, NaN].entries()) {
      assert.deepStrictEqual(await cache.getOrLoad(`falsy:${index}`, () => value), value)
      const again = () => assert.fail("not to be loaded")
      assert.deepStrictEqual(await cache.getOrLoad(`falsy:${index}`, again), value)
    }
    let loads = 0
    const none = () => {
      loads++
      return undefined
    }
    const options = { negativeTtl: "1 minute" } as const
    assert.isUndefined(await cache.getOrLoad("none", none, options))
    assert.isUndefined(await cache.getOrLoad("none", none, options))
    assert.strictEqual(loads, 1)
  })

  it("rejects with what the loader rejects with or throws, for all who wait", async () => {
    await using cache = await createCache()
    const reason = new Error("down")
    const { open, promise } = gate<void>()
    const failing = async () => {
      await promise
      throw reason
    }
    const callers = [failureOf(cache.getOrLoad("a", failing)), failureOf(cache.lookup("a", failing))]
    open()
    assert.deepStrictEqual(
      (await Promise.all(callers)).map((error) => error === reason),
      [true, true]
    )
    const throwing = (): string => {
      throw reason
    }
    assert.strictEqual(await failureOf(cache.getOrLoad("a", throwing)), reason)
    assert.isUndefined(await failureOf(cache.getOrLoad("a", () => Promise.reject(undefined))))
    assert.strictEqual(await cache.getOrLoad("a", () => "next"), "next")
    assert.strictEqual(cache.metrics().loadErrors, 3)
  })

  it("rejects with a CacheError for ids, options and values that cannot be", async () => {
    await using cache = await createCache()
    const never = () => assert.fail("not to be loaded")
    assert.strictEqual(await reasonOf(cache.getOrLoad("", never)), "InvalidKey")
    assert.strictEqual(await reasonOf(cache.getOrLoad("a", never, { jitter: 7 })), "InvalidOption")
    assert.strictEqual(await reasonOf(cache.getOrLoad("a", () => () => "a function")), "Encode")
    const slow = () => new Promise<string>(() => {})
    assert.strictEqual(await reasonOf(cache.getOrLoad("a", slow, { hardTimeout: "10 millis" })), "Timeout")
  })

  it("serves what is stale, and says so", async () => {
    await using cache = await createCache()
    const options = { ttl: "1 millis", grace: "1 hour" } as const
    await cache.getOrLoad("a", () => "stale", options)
    await until(() => cache.peek("a") === undefined)
    const found = await cache.lookup("a", () => Promise.reject(new Error("down")), options)
    assert.deepStrictEqual([found.value, found.stale, found.tier], ["stale", true, "l1"])
    assert.strictEqual(await cache.getOrLoad("a", () => "new", { ...options, staleWhileRevalidate: true }), "stale")
  })

  it("refreshes ahead on hits too", async () => {
    await using cache = await createCache()
    const Ahead = Entity.make("user", "ahead", {
      key: { id: Schema.String },
      value: Schema.String,
      ttl: "1 hour",
      refreshAhead: "2 hours"
    })
    const entity = cache.entity(Ahead)
    await entity.set("a", "old")
    assert.strictEqual(await entity.getOrLoad("a", () => "new"), "old")
    await until(() => entity.peek("a") === "new")
    const { loads, misses } = cache.metrics()
    assert.deepStrictEqual([loads, misses], [1, 0])
  })
})

describe("loaders of promises", () => {
  it("are told of what there is, and may say that it is not modified", async () => {
    await using cache = await createCache()
    const profiles = cache.entity(Profiles)
    await profiles.set("a", { name: "Ada" }, { ttl: "1 minute" })
    const told: Array<unknown> = []
    const unmodified = ({ previous }: Loader.Context<unknown>) => {
      told.push(previous)
      return Loader.notModified
    }
    assert.deepStrictEqual(await profiles.refresh("a", unmodified), { name: "Ada" })
    assert.strictEqual(await reasonOf(profiles.refresh("b", unmodified)), "LoadFailed")
    assert.deepStrictEqual(told, [{ name: "Ada" }, undefined])
  })

  it("hear from their signal that nobody waits any more", async () => {
    await using cache = await createCache()
    let signals: ReadonlyArray<AbortSignal> = []
    const hanging = ({ signal }: { readonly signal: AbortSignal }) => {
      signals = [...signals, signal]
      return new Promise<string>(() => {})
    }
    const [one, two] = [new AbortController(), new AbortController()]
    const reason = new Error("gone")
    const callers = [one, two].map(({ signal }) => failureOf(cache.getOrLoad("a", hanging, { signal })))
    await until(() => signals.length === 1)
    one.abort(reason)
    assert.strictEqual(await callers[0], reason)
    assert.isFalse(signals[0]?.aborted)
    two.abort(reason)
    assert.strictEqual(await callers[1], reason)
    await until(() => signals[0]?.aborted === true)
    assert.strictEqual(await cache.getOrLoad("a", () => "next"), "next")
  })

  it("are not called for a call that was aborted before", async () => {
    await using cache = await createCache()
    const reason = new Error("gone")
    const signal = AbortSignal.abort(reason)
    const load = () => assert.fail("not to be loaded")
    await cache.set("there", 1)
    for (const id of ["there", "missing"]) {
      assert.strictEqual(await failureOf(cache.getOrLoad(id, load, { signal })), reason)
      assert.strictEqual(await failureOf(cache.getManyOrLoad([id], load, { signal })), reason)
      assert.strictEqual(await failureOf(cache.refresh(id, load, { signal })), reason)
    }
    assert.strictEqual(cache.metrics().loads, 0)
  })

  it("of many hear it too", async () => {
    await using cache = await createCache()
    const signals: Array<AbortSignal> = []
    const hanging = (_: ReadonlyArray<unknown>, { signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal)
      return new Promise<ReadonlyArray<readonly [string, number]>>(() => {})
    }
    const controller = new AbortController()
    const caller = failureOf(cache.getManyOrLoad(["a", "b"], hanging, { signal: controller.signal }))
    await until(() => signals.length === 1)
    controller.abort()
    assert.strictEqual(await caller, controller.signal.reason)
    await until(() => signals[0]?.aborted === true && cache.metrics().inFlight === 0)
  })

  it("hear it when the cache is closed, and callers are told", async () => {
    const cache = await createCache()
    const { open, promise } = gate<AbortSignal>()
    const caller = reasonOf(
      cache.getOrLoad("a", ({ signal }) => {
        open(signal)
        return new Promise<string>(() => {})
      })
    )
    const signal = await promise
    await cache.close()
    assert.isTrue(signal.aborted)
    assert.strictEqual(await caller, "Unavailable")
    assert.strictEqual(await reasonOf(cache.getOrLoad("b", () => "too late")), "Unavailable")
  })
})

describe("getManyOrLoad of promises", () => {
  it("loads what is missing with one call", async () => {
    await using cache = await createCache()
    const profiles = cache.entity(Profiles)
    await profiles.set("b", { name: "Bob" })
    const asked: Array<ReadonlyArray<string>> = []
    const load = async (missing: ReadonlyArray<string>) => {
      asked.push(missing)
      return missing.map((id) => [id, { name: id.toUpperCase() }] as const)
    }
    const found = await profiles.getManyOrLoad(["a", "b", "c"], load)
    assert.deepStrictEqual(
      [...found],
      [
        ["a", { name: "A" }],
        ["b", { name: "Bob" }],
        ["c", { name: "C" }]
      ]
    )
    assert.deepStrictEqual(asked, [["a", "c"]])
  })

  it("takes an answer of another form for a mistake, and not for no values", async () => {
    await using cache = await createCache()
    // what somebody may write in JavaScript
    const load = (): [] => JSON.parse('{ "a": 1 }')
    assert.instanceOf(await failureOf(cache.getManyOrLoad(["a"], load, { negativeTtl: "1 hour" })), TypeError)
    assert.isUndefined(await cache.lookup("a"))
  })

  it("rejects with what could be had, and why the rest could not", async () => {
    await using cache = await createCache()
    const load = (missing: ReadonlyArray<unknown>) =>
      missing.map((id) => [String(id), id === "bad" ? Loader.failed(undefined) : 0] as const)
    const error = await failureOf(cache.getManyOrLoad(["good", "bad"], load))
    assert(error instanceof EntityCache.PartialFailure)
    assert.deepStrictEqual([...error.values], [["good", 0]])
    assert.deepStrictEqual([...error.failures], [["bad", undefined]])
    const reason = new Error("down")
    const failed = await failureOf(cache.getManyOrLoad(["good", "other"], () => Promise.reject(reason)))
    assert(failed instanceof EntityCache.PartialFailure)
    assert.deepStrictEqual([...failed.failures], [["other", reason]])
  })
})
