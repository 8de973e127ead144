/**
 * The operations that write. Each is a script, which announces what it did.
 */
import { type CacheBackend, CacheError, Envelope, type KeyPattern, type MonotonicClock, Ttl } from "@tiercache/core"
import { Effect } from "effect"
import type { RedisValue } from "ioredis"
import * as BusMessage from "../BusMessage.ts"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisClock from "../RedisClock.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import { groups } from "./groups.ts"
import * as scripts from "./scripts.ts"

type Service = CacheBackend.CacheBackend["Service"]

export interface Writes extends Pick<Service, "set" | "setMany" | "delete" | "deleteMany" | "expire" | "increment"> {
  /** Announces that all keys of a pattern were deleted, those included that only an L1 still has. */
  readonly announcePattern: (pattern: KeyPattern.KeyPattern) => Effect.Effect<void, CacheError.CacheError>
  /** Deletes in one script. */
  readonly unlink: (operation: string, keys: ReadonlyArray<string>) => Effect.Effect<number, CacheError.CacheError>
}

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly clock: RedisClock.RedisClock
  readonly now: MonotonicClock.Now
  readonly bus: RedisBus.RedisBus
  readonly maxKeysPerCommand: number
}

const ONLY = { absent: "NX", present: "XX" } as const

/** What stands before and behind the digits of an integer in MessagePack, see `Codec.msgpack`. */
const INTEGER_MARK = Buffer.of(0xc1)

const NO_PAYLOAD = new Uint8Array()

export const make = ({ bus, clock, connection, maxKeysPerCommand, now }: Dependencies): Writes => {
  const header = (kind: BusMessage.Kind, writeId = 0) =>
    BusMessage.header(kind, bus.invalidation.origin, writeId, clock.toRedis(now()))

  const envelopeOf = (payload: Uint8Array, ttlMillis: number): Buffer => {
    const deadline = clock.toRedis(now() + ttlMillis)
    return Envelope.encode({ freshUntil: deadline, goneAfter: deadline, version: 0, payload })
  }

  /**
   * In microseconds of the server's clock. The error of the clock is taken off, so that nothing is written after the
   * deadline for certain. It costs no time: it is half a round trip, and so is the way back of an answer.
   */
  const notAfter = (deadline: number): number | "" => {
    const millis = clock.toRedis(deadline) - clock.errorMillis()
    return Number.isFinite(millis) ? Math.floor(millis * 1000) : ""
  }

  /**
   * Runs a script. One that comes too late although this side still waits shows that the server's clock was set: then it is
   * sent once more, with what the clock shows now.
   */
  const run = (
    operation: string,
    script: scripts.Lua,
    keys: ReadonlyArray<string>,
    args: () => ReadonlyArray<RedisValue>
  ) =>
    Effect.suspend(() => {
      const deadline = connection.deadline()
      const attempt = Effect.flatMap(
        CacheError.attempt(() => [bus.channel, notAfter(deadline), ...args()]),
        (args) => scripts.run(connection, deadline, operation, script, keys, args)
      )
      const again = Effect.andThen(Effect.ignore(connection.command("time", clock.refresh)), attempt)
      return attempt.pipe(
        Effect.flatMap((reply) =>
          reply === scripts.LATE ? connection.before(deadline, operation, again) : Effect.succeed(reply)
        ),
        Effect.flatMap((reply) => (reply === scripts.LATE ? tooLate(operation) : Effect.succeed(reply)))
      )
    })

  const count = (
    operation: string,
    script: scripts.Lua,
    keys: ReadonlyArray<string>,
    args: () => ReadonlyArray<RedisValue>
  ) => Effect.map(run(operation, script, keys, args), Number)

  const unlink = (operation: string, keys: ReadonlyArray<string>) =>
    count(operation, scripts.unlink, keys, () => [header("delete"), header("missing")])

  const put = (
    operation: string,
    payloads: ReadonlyArray<readonly [key: string, payload: Uint8Array]>,
    ttlMillis: number,
    { only, push, writeId }: CacheBackend.SetOptions
  ) =>
    count(
      operation,
      scripts.set,
      payloads.map(([key]) => key),
      () => [
        header("set", writeId),
        push === true ? header("push", writeId) : "",
        ttlMillis,
        only === undefined ? "" : ONLY[only],
        ...payloads.map(([, payload]) => envelopeOf(payload, ttlMillis))
      ]
    )

  return {
    unlink,

    announcePattern: ({ glob }) =>
      Effect.asVoid(
        connection.command("deletePattern", (client) =>
          client.publish(bus.channel, BusMessage.encode(header("pattern"), [glob]))
        )
      ),

    set: (key, codec, value, options) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("set", options.ttl)
        const payload = codec.encode(value, key)
        return Effect.map(put("set", [[key, payload]], ttlMillis, options), (written) => written > 0)
      }),

    setMany: (entries, codec, options) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("setMany", options.ttl)
        const payloads = new Map<string, Uint8Array>()
        for (const [key, value] of entries) payloads.set(key, codec.encode(value, key))
        return sumOver(groups([...payloads], maxKeysPerCommand, bytesOf), (group) =>
          put("setMany", group, ttlMillis, options)
        )
      }),

    delete: (key) => Effect.map(unlink("delete", [key]), (deleted) => deleted > 0),

    deleteMany: (keys) =>
      sumOver(groups([...new Set(keys)], maxKeysPerCommand), (group) => unlink("deleteMany", group)),

    expire: (key, ttl) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("expire", ttl)
        const args = () => [header("expire"), ttlMillis, envelopeOf(NO_PAYLOAD, ttlMillis)]
        return Effect.flatMap(run("expire", scripts.expire, [key], args), (reply) =>
          reply === null ? wrongType("expire", "what is stored is no entry") : Effect.succeed(Number(reply) > 0)
        )
      }),

    increment: (key, options) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("increment", options.ttl)
        const by = integerOf(options.by ?? 1)
        const args = () => [header("set"), ttlMillis, envelopeOf(NO_PAYLOAD, ttlMillis), INTEGER_MARK, by]
        return Effect.flatMap(run("increment", scripts.increment, [key], args), (reply) =>
          reply === null
            ? wrongType("increment", "what is stored is no integer, or the sum is beyond ±(2^53 - 1)")
            : Effect.succeed(Number(reply))
        )
      })
  }
}

const bytesOf = ([, payload]: readonly [key: string, payload: Uint8Array]) => payload.length

const tooLate = (operation: string) =>
  Effect.fail(
    CacheError.make(operation, "Timeout", "the command reached Redis after its deadline, and was not executed")
  )

const integerOf = (by: number): number => {
  if (Number.isSafeInteger(by)) return by
  throw CacheError.make("increment", "InvalidOption", "by is an integer between ±(2^53 - 1)")
}

const wrongType = (operation: string, message: string) => Effect.fail(CacheError.make(operation, "WrongType", message))

const sumOver = <A>(
  groups: ReadonlyArray<A>,
  f: (group: A) => Effect.Effect<number, CacheError.CacheError>
): Effect.Effect<number, CacheError.CacheError> =>
  Effect.map(Effect.forEach(groups, f, { concurrency: "unbounded" }), (counts) =>
    counts.reduce((sum, count) => sum + count, 0)
  )
