import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, createCache, type PromiseCache } from "tiercache"

const fill = (cache: PromiseCache, count: number) =>
  cache.setMany(Array.from({ length: count }, (_, index) => [`${index % 2 === 0 ? "even" : "odd"}:${index}`, index]))

const keysOf = async (cache: PromiseCache): Promise<number> => {
  let count = 0
  for await (const _ of cache.keys("*")) count++
  return count
}

describe("patterns by promise", () => {
  it("are several in one call, which tells how far it is", async () => {
    await using cache = await createCache()
    await fill(cache, 3000)
    const told: Array<CacheBackend.Progress> = []
    const onProgress = (progress: CacheBackend.Progress) => void told.push(progress)
    assert.strictEqual(await cache.deletePattern(["even:*", "*:1", "*:?"], { onProgress }), 1505)
    assert.deepStrictEqual(told.at(-1), { scanned: 3000, deleted: 1505 })
    assert.strictEqual(await cache.deletePattern([]), 0)
    assert.strictEqual(await keysOf(cache), 1495)
    assert.strictEqual(cache.metrics().deletes, 1505)
  })

  it("leave alone what is excepted", async () => {
    await using cache = await createCache()
    await fill(cache, 20)
    assert.strictEqual(await cache.deletePattern("*", { except: ["even:*", "odd:1?"] }), 5)
    assert.strictEqual(await keysOf(cache), 15)
    assert.isTrue(await cache.has("odd:11"))
  })

  it("stop when they are aborted", async () => {
    await using cache = await createCache()
    await fill(cache, 3000)
    const controller = new AbortController()
    const reason = new Error("enough")
    const deletion = cache.deletePattern("*", { signal: controller.signal, onProgress: () => controller.abort(reason) })
    const outcome = await deletion.then(
      () => "done",
      (error: unknown) => error
    )
    assert.strictEqual(outcome, reason)
    assert.strictEqual(await keysOf(cache), 2000)
  })
})

describe("maintenance by promise", () => {
  it("reports what it has found", async () => {
    await using cache = await createCache()
    await fill(cache, 10)
    const { millis, ...report } = await cache.maintain({ dryRun: true, maxAge: "1 hour" })
    assert.isAtLeast(millis, 0)
    assert.deepStrictEqual(report, { trimmed: 0, orphans: 0, deleted: 0, skipped: false })
    assert.strictEqual(await cache.get("odd:9"), 9)
  })

  it("is skipped while another process does it", async () => {
    await using cache = await createCache()
    const report = await cache.withLock("tiercache:maintenance", {}, () => cache.maintain())
    assert.isTrue(report.skipped)
  })
})
