import { assert, it } from "@effect/vitest"
import { Cache } from "@tiercache/core"
import { Market } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

const quote: Market.Quote = {
  symbol: "BRK:B",
  bid: 486.1,
  ask: 486.3,
  last: 486.2,
  timestamp: DateTime.makeUnsafe("2026-01-02T15:04:05.678Z")
}

it.effect("a quote lives for five seconds under its symbol", () =>
  Effect.gen(function* () {
    const cache = yield* Cache.Cache
    const quotes = cache.entity(Market.Quotes)
    assert.strictEqual(String(Market.Quotes.key("BRK:B")), "market:quote:BRK%3AB")
    yield* quotes.set("BRK:B", quote)
    yield* TestClock.adjust("4 seconds")
    assert.deepStrictEqual(yield* quotes.get("BRK:B"), quote)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* quotes.get("BRK:B"), undefined)
  }).pipe(Effect.provide(Cache.layer().pipe(Layer.provide(MemoryBackend.layer()))))
)
