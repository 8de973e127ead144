/**
 * How many commands each operation sends to Redis, and how many bytes. A guard against regressions that no noise of the machine hides:
 * time is measured by `pnpm bench`. Whoever sends fewer lowers the number here.
 */
import { assert, layer } from "@effect/vitest"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { Effect } from "effect"
import { createCache, Market, RateLimit, Tag } from "tiercache"
import { fewestCommands } from "../src/commandsOf.ts"
import { quoteOf } from "../src/quotes.ts"

const symbols = Array.from({ length: 100 }, (_, index) => `SYM${index}`)
const entries = symbols.map((symbol) => [symbol, quoteOf(symbol)] as const)
const TTL = { ttl: "1 hour" } as const
const gcra = RateLimit.gcra("guard", { limit: 1_000_000, period: "1 hour" })
/** The first may have to send scripts in full; of the others the one with the fewest counts, since heartbeats add to some. */
const RUNS = 4
const LEASE = { ttl: "10 seconds", wait: "forever" } as const
/** What the runs of an operation delete. */
const groupOf = (run: number) => Tag.of("group", `g${run}`)
const noLoad = () => Promise.reject(new Error("Redis has it"))

type Cache = Awaited<ReturnType<typeof createCache>>

/** What is done, and how many commands it takes at most. The number is of the run, so that keys can be fresh. */
type Operation = readonly [
  name: string,
  run: (cache: Cache, run: number) => Promise<unknown>,
  commands: { readonly redis: number; readonly tiered: number }
]

const quotes = (cache: Cache) => cache.entity(Market.Quotes)
const both = (commands: number) => ({ redis: commands, tiered: commands })

const operations: ReadonlyArray<Operation> = [
  ["get of nothing", (cache) => quotes(cache).get("NONE"), both(1)],
  ["get of a hit", (cache) => quotes(cache).get("SYM0"), { redis: 1, tiered: 0 }],
  ["getOrLoad of a hit", (cache) => quotes(cache).getOrLoad("SYM0", noLoad), { redis: 1, tiered: 0 }],
  [
    "getOrLoad of nothing: take a lease, and fill it",
    (cache, run) => quotes(cache).getOrLoad(`COLD${run}`, async () => quoteOf("COLD"), TTL),
    both(2)
  ],
  ["getMany of 100 hits", (cache) => quotes(cache).getMany(symbols), { redis: 1, tiered: 0 }],
  [
    "getMany of 60 hits and 40 that are not there",
    (cache, run) =>
      quotes(cache).getMany(symbols.map((symbol, index) => (index < 60 ? symbol : `NONE${run}.${index}`))),
    both(1)
  ],
  [
    "100 gets of one turn",
    (cache, run) => Promise.all(symbols.map((symbol) => quotes(cache).get(`${symbol}.${run}`))),
    both(100)
  ],
  ["set", (cache) => quotes(cache).set("SYM0", quoteOf("SYM0"), TTL), both(1)],
  [
    "100 sets of one turn",
    (cache) => Promise.all(entries.map(([key, quote]) => quotes(cache).set(key, quote, TTL))),
    both(100)
  ],
  ["setMany of 100", (cache) => quotes(cache).setMany(entries, TTL), both(1)],
  ["delete", (cache, run) => quotes(cache).delete(`GONE${run}`), both(1)],
  ["deleteMany of 100", (cache, run) => quotes(cache).deleteMany(symbols.map((symbol) => `${symbol}.${run}`)), both(1)],
  ["has", (cache) => quotes(cache).has("SYM0"), { redis: 2, tiered: 0 }],
  ["expire", (cache) => quotes(cache).expire("SYM0", "1 hour"), both(1)],
  ["increment", (cache) => cache.increment("visits"), both(1)],
  ["set with a tag", (cache) => cache.set("tagged", 1, { ...TTL, tags: [Tag.of("group", "a")] }), both(1)],
  // pages of an index, which Redis makes of different sizes: 21 to 26, and no page needs more than three
  ["deleteTags of 1 000", (cache, run) => cache.deleteTags([groupOf(run)]), both(36)],
  ["consume", (cache) => cache.consume(gcra, "user"), both(1)],
  ["a lock that nobody else wants", (cache) => cache.withLock("free", LEASE, async () => {}), both(2)],
  [
    "a lock that 64 want",
    (cache) => Promise.all(Array.from({ length: 64 }, () => cache.withLock("wanted", LEASE, async () => {}))),
    both(64 * 4)
  ]
]

const open = (backend: "redis" | "tiered", url: string) =>
  createCache({ backend, prefix: backend, redis: { url, commandTimeout: "30 seconds" } })

/** Those that are above their limits. */
const above = (found: Readonly<Record<string, number>>, limits: Readonly<Record<string, number>>) =>
  Object.entries(found).filter(([name, count]) => !(count <= (limits[name] ?? NaN)))

layer(RedisServer.layer(), { excludeTestServices: true })("an operation", (it) => {
  for (const backend of ["redis", "tiered"] as const) {
    it.effect(`sends no more commands than it has to: ${backend}`, () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer.RedisServer
        const found: Record<string, number> = {}
        yield* Effect.promise(async () => {
          await using cache = await open(backend, url)
          await quotes(cache).setMany(entries, TTL)
          await quotes(cache).getMany(symbols)
          for (let run = 0; run < RUNS; run++) {
            const tagged = Array.from({ length: 1000 }, (_, index) => [`tagged:${run}:${index}`, 1] as const)
            await cache.setMany(tagged, { ...TTL, tags: [groupOf(run)] })
          }
          for (const [name, run] of operations) {
            let times = 0
            await run(cache, times++)
            found[name] = await fewestCommands(url, () => run(cache, times++), RUNS - 1)
          }
        })
        const limits = Object.fromEntries(operations.map(([name, , commands]) => [name, commands[backend]]))
        assert.deepStrictEqual(above(found, limits), [])
      })
    )
  }

  it.effect("sends and receives no more bytes than it has to", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port } })
      const found: Record<string, number> = {}
      yield* Effect.promise(async () => {
        await using cache = await open("redis", `redis://${proxy.address}`)
        await quotes(cache).setMany(entries, TTL)
        for (const [name, run] of exchanges) {
          await run(cache)
          const bytes = await fewestBytes(proxy, () => run(cache))
          for (const direction of DIRECTIONS) found[`${name}, ${direction}`] = bytes[direction]
        }
      })
      const limits = exchanges.flatMap(([name, , bytes]) =>
        DIRECTIONS.map((direction) => [`${name}, ${direction}`, bytes[direction]])
      )
      assert.deepStrictEqual(above(found, Object.fromEntries(limits)), [])
    }).pipe(Effect.scoped)
  )
})

const DIRECTIONS = ["toServer", "toClient"] as const

type Bytes = Readonly<Record<(typeof DIRECTIONS)[number], number>>

const exchanges: ReadonlyArray<readonly [name: string, run: (cache: Cache) => Promise<unknown>, limits: Bytes]> = [
  ["get", (cache) => quotes(cache).get("SYM0"), { toServer: 60, toClient: 100 }],
  ["set", (cache) => quotes(cache).set("SYM0", quoteOf("SYM0"), TTL), { toServer: 400, toClient: 8 }],
  ["getMany of 100", (cache) => quotes(cache).getMany(symbols), { toServer: 3200, toClient: 9000 }],
  ["consume", (cache) => cache.consume(gcra, "user"), { toServer: 180, toClient: 32 }]
]

/** In three runs, since what a client sends now and then is not part of it. */
const fewestBytes = async (proxy: TcpProxy.TcpProxy, run: () => Promise<unknown>): Promise<Bytes> => {
  const fewest = { toServer: Infinity, toClient: Infinity }
  for (let time = 0; time < 3; time++) {
    const before = { toServer: proxy.bytes("toServer"), toClient: proxy.bytes("toClient") }
    await run()
    for (const direction of DIRECTIONS) {
      fewest[direction] = Math.min(fewest[direction], proxy.bytes(direction) - before[direction])
    }
  }
  return fewest
}
