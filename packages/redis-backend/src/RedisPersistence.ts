/**
 * The `Redis` service of Effect's own persistence (`effect/persistence`), over ioredis: one server, a Sentinel group or a cluster.
 *
 * **Details**
 *
 * Gives Effect's `Persistence`, `PersistedCache`, `PersistedQueue`, `CircuitBreaker` and `RateLimiter` the connections of this package:
 * they fail fast, recover alone, and follow a failover. Scripts are sent by their hash, and in full when a server does not know
 * them. In a cluster a command goes to the node that has its keys; `DEL`, `UNLINK`, `EXISTS`, `TOUCH` and `MGET` may have keys on
 * several, `KEYS`, `DBSIZE`, `SCRIPT`, `FLUSHDB` and `FLUSHALL` go to all primaries. Replies have the forms of RESP2.
 *
 * **Gotchas**
 *
 * - In a cluster, the keys of a script are in one slot. Some stores of Effect need a hash tag for that, such as the `prefix`
 *   `"{jobs}:"`; docs/effect-persistence.md lists them.
 * - Commands that block, such as `BLPOP`, need a connection from `reserve`: all others share one, and have to end in time.
 */
import { CacheError, MonotonicClock } from "@tiercache/core"
import { Effect, Layer } from "effect"
import * as Redis from "effect/persistence/Redis"
import * as Commands from "./internal/commands.ts"
import * as Reserved from "./internal/reserved.ts"
import * as scripts from "./internal/scripts.ts"
import * as Subscriptions from "./internal/subscriptions.ts"
import * as RedisConnection from "./RedisConnection.ts"

export type Options = RedisConnection.Options & {
  /** The connections behind `reserve`. */
  readonly pool?: Redis.PoolOptions | undefined
}

/** Open until the scope closes. Fails with `InvalidOption` only: while there is no Redis, commands fail. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const now = yield* MonotonicClock.now
  const connection = yield* RedisConnection.make(options, { now, time: undefined, channel: undefined })
  const commands = Commands.make(connection)
  const redis = yield* Redis.make({
    send: (command, ...args) => typed(commands.send(command, args)),
    subscribe: (channel, onMessage) =>
      Effect.mapError(Subscriptions.subscribe(connection, channel, onMessage), redisError),
    connect: Effect.map(Reserved.make(connection), ({ close, send }) => ({
      send: (command, ...args) => typed(send(command, args)),
      close
    })),
    pool: options.pool
  })

  const texts = new WeakMap<object, scripts.Lua>()
  const luaOf = (script: { readonly lua: string }): scripts.Lua => {
    const known = texts.get(script)
    if (known !== undefined) return known
    const made = scripts.lua(script.lua)
    texts.set(script, made)
    return made
  }
  const evaluate: Redis.Redis["Service"]["eval"] =
    (script) =>
    (...params) =>
      typed(Effect.suspend(() => commands.run(luaOf(script), ...callOf(script, params))))

  return Redis.Redis.of({
    ...redis,
    eval: evaluate,
    reserve: Effect.map(redis.reserve, ({ send }) => ({
      send,
      // in full, since it is not known what the server of this connection knows
      eval:
        (script) =>
        (...params) =>
          Effect.suspend(() => {
            const [keys, args] = callOf(script, params)
            return send("EVAL", script.lua, String(keys.length), ...keys, ...args)
          })
    }))
  })
})

export const layer = (options: Options): Layer.Layer<Redis.Redis, CacheError.CacheError> =>
  Layer.effect(Redis.Redis, make(options))

/** Keys and arguments of a call of a script. */
const callOf = <Config extends { readonly params: ReadonlyArray<unknown>; readonly result: unknown }>(
  script: Redis.Script<Config>,
  params: Config["params"]
): readonly [keys: ReadonlyArray<string>, args: ReadonlyArray<string>] => {
  const all = script.params(...params).map(String)
  const keys = script.numberOfKeys(...params)
  return [all.slice(0, keys), all.slice(keys)]
}

const redisError = (cause: CacheError.CacheError) => new Redis.RedisError({ cause })

/** What a command answers, only its caller knows: the interface takes its word for it. */
const typed = <A>(reply: Effect.Effect<unknown, CacheError.CacheError>) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  Effect.mapError(reply, redisError) as Effect.Effect<A, Redis.RedisError>
