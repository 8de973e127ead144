/**
 * Values that only the newest holder of a lock can replace.
 *
 * A process may lose a lock without noticing, and write all the same. If each write carries the fence of the lock, the store can tell:
 * it keeps the highest fence that it has seen of a key, and refuses what carries a lower one.
 */
import { Cache, CacheBackend, CacheError, CacheKey, Codec, Script, Ttl } from "@tiercache/core"
import { Context, Effect, Layer, Schema } from "effect"
import { luaNow } from "./internal/luaNow.ts"

/** Somebody who got the lock later has written already. */
export class StaleFence extends Schema.TaggedError<StaleFence>()("StaleFence", {
  fence: Schema.Number,
  /** Of the last write. */
  newest: Schema.Number
}) {
  override get message(): string {
    return `the fence ${this.fence} is older than ${this.newest}, that of the last write`
  }
}

export interface SetOptions {
  /** Of the lock under which the value was made. */
  readonly fence: number
  readonly ttl: Ttl.Input
}

export class FencedWrite extends Context.Service<
  FencedWrite,
  {
    readonly set: <A>(
      key: CacheKey.Input,
      codec: Codec.Codec<A>,
      value: A,
      options: SetOptions
    ) => Effect.Effect<void, StaleFence | CacheError.CacheError>
    readonly get: <A>(key: CacheKey.Input, codec: Codec.Codec<A>) => Effect.Effect<A | undefined, CacheError.CacheError>
  }
>()("@tiercache/domains/FencedWrite") {}

/**
 * Writes a value under a lock, unless somebody has written with a higher fence.
 *
 * **Gotchas**
 *
 * A fence is remembered for a day longer than its value. Who slept for longer than that is not refused any more.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Codec } from "@tiercache/core"
 * import { FencedWrite } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* FencedWrite.set("balance", Codec.msgpack, 200, { fence: 2, ttl: "1 hour" })
 *   const late = FencedWrite.set("balance", Codec.msgpack, 100, { fence: 1, ttl: "1 hour" })
 *   const refused = yield* Effect.flip(late)
 *   return [refused._tag, yield* FencedWrite.get("balance", Codec.msgpack)]
 * })
 * const inMemory = FencedWrite.layer().pipe(Layer.provide(MemoryBackend.layer()))
 *
 * await Effect.runPromise(Effect.provide(program, inMemory)) // => ["StaleFence", 200]
 * ```
 */
export const set = <A>(
  key: CacheKey.Input,
  codec: Codec.Codec<A>,
  value: A,
  options: SetOptions
): Effect.Effect<void, StaleFence | CacheError.CacheError, FencedWrite> =>
  Effect.flatMap(FencedWrite, (fenced) => fenced.set(key, codec, value, options))

/** The value that was written last, `undefined` once its TTL is over. */
export const get = <A>(
  key: CacheKey.Input,
  codec: Codec.Codec<A>
): Effect.Effect<A | undefined, CacheError.CacheError, FencedWrite> =>
  Effect.flatMap(FencedWrite, (fenced) => fenced.get(key, codec))

export interface LayerOptions {
  /** Begins every key; `tradecore` unless given. Values are in `{prefix}:fenced:{key}`. */
  readonly prefix?: string | undefined
}

export const make = Effect.fnUntraced(function* (options?: LayerOptions) {
  const { run } = yield* CacheBackend.CacheBackend
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)
  const wholeKey = (key: CacheKey.Input) => `${prefix}:fenced:${CacheKey.parse(key).encoded}`

  return FencedWrite.of({
    set: (key, codec, value, { fence, ttl }) =>
      CacheError.suspend(() => {
        const stored = wholeKey(key)
        const write = {
          fence: fenceOf(fence),
          text: Buffer.from(codec.encode(value, stored)).toString("base64"),
          ttlMillis: Ttl.toMillisUnsafe("FencedWrite.set", ttl)
        }
        const stale = (newest: number) => Effect.fail(new StaleFence({ fence, newest }))
        return Effect.flatMap(run(setScript, [stored], write), (newest) =>
          newest > fence ? stale(newest) : Effect.void
        )
      }),
    get: (key, codec) =>
      CacheError.suspend(() => {
        const stored = wholeKey(key)
        return Effect.flatMap(run(getScript, [stored], undefined), (text) =>
          CacheError.attempt(() => (text === undefined ? undefined : codec.decode(Buffer.from(text, "base64"), stored)))
        )
      })
  })
})

export const layer = (
  options?: LayerOptions
): Layer.Layer<FencedWrite, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(FencedWrite, make(options))

const fenceOf = (fence: number): number => {
  if (Number.isSafeInteger(fence) && fence >= 0) return fence
  throw CacheError.make("FencedWrite.set", "InvalidOption", "a fence is an integer from 0 to 2^53 - 1")
}

interface State {
  readonly fence: number
  readonly text: string
  /** When the value is gone, in microseconds. */
  readonly goneAfter: number
}

const TYPE = "tiercache-fenced"
const FENCE_KEPT_MILLIS = 24 * 3_600_000

interface Write {
  readonly fence: number
  readonly text: string
  readonly ttlMillis: number
}

/** The highest fence that was seen. Above that of the call, nothing was written. */
const setScript = Script.make<State, Write, number>({
  name: "tiercache-fenced-set",
  type: TYPE,
  // it would replace what the same holder has written since
  expires: true,
  lua: `${luaNow(4)}
local fence = tonumber(ARGV[1])
local newest = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if newest > fence then return newest end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'text', ARGV[2], 'gone', string.format('%.0f', now + tonumber(ARGV[3]) * 1000))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + ${FENCE_KEPT_MILLIS}))
return fence
`,
  args: ({ fence, text, ttlMillis }) => [fence, text, ttlMillis],
  reply: (raw) => {
    if (Number.isSafeInteger(raw)) return Number(raw)
    throw CacheError.make("run", "Decode", "the answer of the script is no fence")
  },
  reducer: (slots, { fence, text, ttlMillis }, now) => {
    const newest = slots.get(0)?.fence ?? 0
    if (newest > fence) return newest
    slots.set(0, { fence, text, goneAfter: now + ttlMillis * 1000 }, ttlMillis + FENCE_KEPT_MILLIS)
    return fence
  }
})

const getScript = Script.make<State, undefined, string | undefined>({
  name: "tiercache-fenced-get",
  type: TYPE,
  lua: `${luaNow(1)}
local stored = redis.call('HMGET', KEYS[1], 'text', 'gone')
return stored[2] and now < tonumber(stored[2]) and stored[1] or false
`,
  args: () => [],
  reply: (raw) => {
    if (raw === null) return undefined
    if (typeof raw === "string") return raw
    throw CacheError.make("run", "Decode", "the answer of the script is no text")
  },
  reducer: (slots, _, now) => {
    const state = slots.get(0)
    return state !== undefined && now < state.goneAfter ? state.text : undefined
  }
})
