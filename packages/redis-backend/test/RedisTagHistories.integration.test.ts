import { assert, layer } from "@effect/vitest"
import { CacheBackend, Codec, Envelope } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Redis } from "ioredis"
import { HOUR, loaded, withServer } from "./leasing.ts"
import { LONG, makeClient, uniqueKey } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 1000 : 60

const indexOf = (tag: string) => `{tiercache}:tag:${tag}`

const redis = <A>(command: () => Promise<A>) => Effect.promise(command)

layer(withServer, { excludeTestServices: true })("the index of a tag, in random histories", (it) => {
  it.effect("has every key that carries the tag, whatever happened, and whoever stopped midway", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const [backend, client] = [yield* CacheBackend.CacheBackend, yield* makeClient(url)]
      const context = yield* Effect.context()
      const property = fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), (steps) =>
        Effect.runPromiseWith(context)(live(backend, client, steps))
      )
      yield* Effect.promise(() => fc.assert(property, { numRuns: RUNS }))
    })
  )
})

/** Longer than what a script reads of an entry at first. */
const LONG_TAG = "long ".repeat(300)

const TAGS = ["red", "blue", LONG_TAG]

const NAMES = ["a", "b", "c", "d"]
const name = fc.constantFrom(...NAMES)
const names = fc.uniqueArray(name, { minLength: 1 })
const tags = fc.uniqueArray(fc.constantFrom(...TAGS))
const token = fc.nat({ max: 2 })

const step = fc.oneof(
  fc.record({
    op: fc.constant("set" as const),
    names,
    tags,
    ttl: fc.constantFrom("10 millis" as const, "1 hour" as const)
  }),
  fc.record({
    op: fc.constantFrom("expire" as const, "increment" as const, "delete" as const, "evict" as const),
    name
  }),
  fc.record({ op: fc.constant("take" as const), names, tags, token, millis: fc.constantFrom(10, HOUR) }),
  fc.record({ op: fc.constant("renew" as const), names, token, millis: fc.constantFrom(10, HOUR) }),
  fc.record({
    op: fc.constant("release" as const),
    names,
    token,
    failedForMillis: fc.constantFrom(undefined, 0, HOUR)
  }),
  fc.record({ op: fc.constant("fill" as const), name, tags, token }),
  // what is sent is done, what comes after it is not
  fc.record({ op: fc.constant("deleteTags" as const), tags, stops: fc.boolean() })
)

type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

/** Lives through a history, and looks at the index after each step. */
const live = Effect.fnUntraced(function* (backend: Backend, client: Redis, steps: ReadonlyArray<Step>) {
  const prefix = uniqueKey("history")
  const of = (name: string) => `${prefix}:${name}`
  const tokens = [backend.leases.token(), backend.leases.token(), backend.leases.token()]
  for (const step of steps) {
    yield* Effect.exit(run(backend, client, step, of, (number) => tokens[number] ?? ""))
    for (const key of NAMES.map(of)) {
      const { bytes, now, scores } = yield* redis(() => look(client, key))
      const envelope = bytes === null ? undefined : Envelope.decode(bytes)
      if (envelope === undefined) continue
      const isLeased = envelope.lease?.token !== undefined || (envelope.lease?.endsAt ?? 0) > now
      const hasValue = envelope.holds !== "nothing" && envelope.goneAfter > now
      for (const tag of hasValue ? Envelope.decodeTags(envelope.tags) : []) {
        assert.isAtLeast(scores.get(tag) ?? -Infinity, envelope.goneAfter)
      }
      // as long as the key is kept, whoever has the lease may store what it loads
      const keptUntil = Math.max(envelope.lease?.endsAt ?? 0, envelope.goneAfter)
      for (const tag of isLeased && now <= keptUntil ? Envelope.decodeTags(envelope.lease?.tags) : []) {
        assert.isAtLeast(scores.get(tag) ?? -Infinity, keptUntil)
      }
    }
  }
  yield* backend.deleteTags(TAGS.map(of))
  const indexes = TAGS.map((tag) => indexOf(of(tag)))
  assert.strictEqual(yield* redis(() => client.exists(...indexes)), 0)
  yield* backend.deleteMany(NAMES.map(of))
})

/** A key, and where it stands in the indexes of the tags that it carries, at one moment. */
const look = async (client: Redis, key: string) => {
  const prefix = key.slice(0, key.lastIndexOf(":") + 1)
  const multi = client.multi().getBuffer(key).time()
  for (const tag of TAGS) multi.zscore(indexOf(`${prefix}${tag}`), key)
  const [bytes, time, ...found] = ((await multi.exec()) ?? []).map(([, reply]) => reply)
  const [seconds, micros]: ReadonlyArray<unknown> = Array.isArray(time) ? time : []
  const scores = new Map<string, number>()
  TAGS.forEach((tag, index) => {
    if (typeof found[index] === "string") scores.set(`${prefix}${tag}`, Number(found[index]))
  })
  return {
    bytes: Buffer.isBuffer(bytes) ? bytes : null,
    now: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    scores
  }
}

const run = (
  backend: Backend,
  client: Redis,
  step: Step,
  of: (name: string) => string,
  tokenOf: (number: number) => string
): Effect.Effect<unknown, unknown> => {
  const { leases } = backend
  switch (step.op) {
    case "set":
      return backend.setMany(
        step.names.map((name) => [of(name), 1]),
        Codec.msgpack,
        { ttl: step.ttl, tags: step.tags.map(of) }
      )
    case "expire":
      return backend.expire(of(step.name), "2 hours")
    case "increment":
      return backend.increment(of(step.name), LONG)
    case "delete":
      return backend.delete(of(step.name))
    case "evict":
      return redis(() => client.unlink(of(step.name)))
    case "take": {
      const { millis, names, tags, token } = step
      const keys = names.map(of)
      const byKey = new Map(keys.map((key) => [key, tags.map(of)]))
      return leases.take(keys, Codec.msgpack, { token: tokenOf(token), millis, when: "always", tags: byKey })
    }
    case "renew":
      return leases.renew(step.names.map(of), tokenOf(step.token), step.millis)
    case "release":
      return leases.release(step.names.map(of), tokenOf(step.token), { failedForMillis: step.failedForMillis })
    case "fill":
      return leases.fill([{ ...loaded(of(step.name), 1), tags: step.tags.map(of) }], { token: tokenOf(step.token) })
    case "deleteTags": {
      const deleting = backend.deleteTags(step.tags.map(of), () => {
        if (step.stops) throw new Error("the process has ended")
      })
      return Effect.exit(deleting)
    }
  }
}
