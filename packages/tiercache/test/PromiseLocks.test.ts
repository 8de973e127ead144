import { assert, describe, it } from "@effect/vitest"
import { CacheError, createCache, LockError } from "tiercache"

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error
  )

describe("withLock of promises", () => {
  it("runs one section at a time, with growing fences", async () => {
    await using cache = await createCache()
    const fences: Array<number> = []
    let inside = 0
    const section = () =>
      cache.withLock("a", { wait: "forever" }, async ({ ensure, fence, isLocked, remaining }) => {
        assert.isTrue(isLocked)
        assert.strictEqual(++inside, 1)
        await Promise.resolve()
        ensure()
        assert.isAbove(remaining(), 0)
        inside--
        return fences.push(fence)
      })
    assert.deepStrictEqual(await Promise.all([section(), section(), section()]), [1, 2, 3])
    assert.deepStrictEqual(
      fences,
      fences.toSorted((a, b) => a - b)
    )
  })

  it("rejects with what the section throws, and gives the lock back", async () => {
    await using cache = await createCache()
    const reason = new Error("no")
    const throwing = () => {
      throw reason
    }
    assert.strictEqual(await failureOf(cache.withLock("a", {}, throwing)), reason)
    assert.strictEqual(await failureOf(cache.withLock("a", {}, () => Promise.reject(reason))), reason)
    assert.strictEqual(await cache.withLock("a", { wait: "0 seconds" }, () => "mine"), "mine")
  })

  it("rejects with LockHeld who does not get it, and with CacheError for options that cannot be", async () => {
    await using cache = await createCache()
    await cache.withLock("a", {}, async () => {
      const held = await failureOf(cache.withLock("a", { wait: "0 seconds" }, () => "mine"))
      assert.instanceOf(held, LockError.LockHeld)
    })
    const refused = await failureOf(cache.withLock("a", { ttl: "1 millis" }, () => "mine"))
    assert.instanceOf(refused, CacheError.CacheError)
  })

  it("aborts a section that loses its lock, and rejects with LockLost when it has settled", async () => {
    await using cache = await createCache()
    let isSettled = false
    const lost = cache.withLock("a", { ttl: "90 millis" }, async ({ ensure, signal }) => {
      await cache.deletePattern("lock:*")
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
      assert.throws(ensure)
      await Promise.resolve()
      isSettled = true
    })
    assert.instanceOf(await failureOf(lost), LockError.LockLost)
    assert.isTrue(isSettled)
  })

  it("gives up waiting, or aborts the section, when the caller's signal is aborted", async () => {
    await using cache = await createCache()
    const caller = new AbortController()
    const entered = Promise.withResolvers<void>()
    const order: Array<string> = []
    const section = cache.withLock("a", { signal: caller.signal }, async ({ signal }) => {
      entered.resolve()
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
      order.push("settled")
    })
    const waiting = cache.withLock("a", { signal: caller.signal, wait: "forever" }, () => order.push("never"))
    const next = cache.withLock("a", { wait: "forever" }, () => order.push("next"))
    await entered.promise
    const reason = new Error("enough")
    caller.abort(reason)
    assert.strictEqual(await failureOf(section), reason)
    assert.strictEqual(await failureOf(waiting), reason)
    await next
    assert.deepStrictEqual(order, ["settled", "next"])
  })
})
