import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { Cache, CacheBackend, CacheManager, Memory } from "tiercache"
import { calls, raise } from "./migrating/calls.ts"
import * as Flow from "./migrating/flow.ts"
import { kinds } from "./migrating/kinds.ts"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")
const withoutSpace = (text: string) => text.replaceAll(/\s/g, "")

/** The rows of all tables: what is in code in the cells of each, and the row itself. */
const rows = read("../../../docs/migrating-from-python.md")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => ({
    line,
    cells: line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim())
  }))

const rowOf = (there: string) => {
  const row = rows.find(({ cells }) => cells[0] === there)
  assert(row !== undefined, `the page has no row for ${there}`)
  return row
}

const codeIn = (cell = "") => /^`(.*)`$/.exec(cell)?.[1] ?? ""

const source = withoutSpace(read("./migrating/kinds.ts") + read("./migrating/calls.ts"))
/** Of a row, between its name and that of the next. */
const sourceOf = (there: string) => {
  const [, after = ""] = source.split(withoutSpace(`"${there}",`))
  return after
}

const inMemory = CacheManager.layer({ cleanup: { onStartup: false } }).pipe(Layer.provideMerge(Memory.layer()))

describe("each line of docs/migrating-from-python.md", () => {
  it("works with promises", async () => {
    await using tradecore = await CacheManager.start({ cleanup: { onStartup: false } })
    const { cache } = tradecore
    const store: Flow.Store = {
      ttlIs: "running",
      keys: Effect.promise(async () => {
        const keys: Array<string> = []
        for await (const key of cache.keys("*")) keys.push(`tradecore:${String(key)}`)
        return keys
      }),
      ttlOf: (key) =>
        Effect.promise(async () =>
          Duration.toSeconds((await cache.ttl(key.replace("tradecore:", ""))) ?? Duration.zero)
        )
    }
    const seen: Flow.Seen = new Map()
    await Effect.runPromise(Flow.run(Flow.ofPromises(tradecore, seen), store))
    const awaited = calls.filter(({ there }) => codeIn(rowOf(there).cells[1]).startsWith("await "))
    assert.deepStrictEqual(
      awaited,
      calls.filter((call) => seen.get(call))
    )
  })

  it.effect("works with Effect", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      const cache = yield* Cache.Cache
      const backend = yield* CacheBackend.CacheBackend
      const store: Flow.Store = {
        ttlIs: "exact",
        keys: Effect.map(Stream.runCollect(cache.keys("*")), (keys) => keys.map((key) => `tradecore:${String(key)}`)),
        ttlOf: (key) => Effect.map(backend.ttl(key), (ttl) => Duration.toSeconds(ttl ?? Duration.zero))
      }
      const seen: Flow.Seen = new Map()
      yield* Flow.run(Flow.ofEffects(tradecore, seen), store)
      const yielded = calls.filter(({ there }) => codeIn(rowOf(there).cells[2]).startsWith("yield* "))
      assert.deepStrictEqual(
        yielded,
        calls.filter((call) => seen.get(call))
      )
      assert.strictEqual(yield* backend.run(raise, ["tradecore:high:AAPL"], 3), 3)
      assert.strictEqual(yield* backend.run(raise, ["tradecore:high:AAPL"], 2), 3)
    }).pipe(Effect.provide(inMemory))
  )
})

describe("docs/migrating-from-python.md", () => {
  it.each(kinds.map((kind) => [kind.there, kind] as const))("has the lines that are run: %s", (there, kind) => {
    const [, store, get, key, ttl] = rowOf(there).cells
    assert.include(sourceOf(there), withoutSpace(`store: (tradecore) => tradecore.${codeIn(store)},`))
    assert.include(sourceOf(there), withoutSpace(`read: (tradecore) => tradecore.${codeIn(get)},`))
    const invalidate = codeIn(get).replace(".get(", ".delete(")
    assert.include(sourceOf(there), withoutSpace(`invalidate: (tradecore) => tradecore.${invalidate},`))
    assert.deepStrictEqual(
      [codeIn(key), Number.parseInt(ttl ?? "", 10)],
      [kind.key.replace("tradecore:", ""), kind.ttl]
    )
  })

  it.each(calls.map((call) => [call.there, call] as const))("has the lines that are run: %s", (there, call) => {
    const { cells, line } = rowOf(there)
    const [promise, effect] = [cells[1], cells[2]].map((cell) => codeIn(cell).replace(/^(await|yield\*) /, ""))
    const begin = sourceOf(there)
    if (promise === effect) assert.isTrue(begin.startsWith(withoutSpace(`(tradecore) => ${promise},`)))
    else {
      const [own = ""] = begin.split("is:")
      const lines = /^promise:\(tradecore\)=>(.*),effect:\((?:tradecore)?\)=>(.*),$/.exec(own)
      assert.deepStrictEqual(
        lines?.slice(1),
        [promise, effect].map((text = "") => withoutSpace(text))
      )
    }
    if (call.key !== undefined) assert.include(line, call.key.replace("tradecore:", ""))
  })

  it("has no line that is not run", () => {
    const names = new Set([...kinds, ...calls].map(({ there }) => there))
    const code = rows.filter(({ cells }) => codeIn(cells[1]).includes("("))
    assert.lengthOf(code, names.size)
    assert.deepStrictEqual(
      code.filter(({ cells }) => !names.has(cells[0] ?? "")).map(({ line }) => line),
      []
    )
  })
})
