/**
 * What a backend answers to the operations of a history, in the model's terms.
 */
import { Duration, Effect, Stream } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"
import type * as CacheError from "../../CacheError.ts"
import * as Codec from "../../Codec.ts"
import type * as Entry from "../../Entry.ts"
import type * as Lease from "../../Lease.ts"
import * as LocalStore from "../../LocalStore.ts"
import type * as MonotonicClock from "../../MonotonicClock.ts"
import type * as History from "./History.ts"
import * as Loading from "./Loading.ts"
import * as Model from "./Model.ts"
import type * as Subject from "./Subject.ts"

/** What a backend can be asked; time is not up to it. */
export type Question = Exclude<History.Operation, { readonly op: "pass" }>

export interface Asked {
  readonly subject: Subject.Subject
  readonly now: MonotonicClock.Now
  readonly model: Model.Model
  readonly clock: Subject.ClockKind
  /** The tokens behind the numbers of a history. */
  readonly tokens: ReadonlyArray<string>
  /** By key: what peeks leave behind must not show. */
  readonly bookmarks: Map<string, LocalStore.Bookmark>
}

export const answer = (asked: Asked, operation: Question): Effect.Effect<unknown> =>
  call(asked, operation).pipe(
    Effect.catch((error) =>
      error.reason === "WrongType" ? Effect.succeed(new Model.Fails(error.reason)) : Effect.die(error)
    )
  )

/** The whole key. */
export const whole = (subject: Subject.Subject, key: string) => subject.key(...key.split(":"))

const call = (asked: Asked, operation: Question): Effect.Effect<unknown, CacheError.CacheError> => {
  const { bookmarks, model, now, subject, tokens } = asked
  const { backend } = subject
  const of = (key: string) => whole(subject, key)
  const names = (keys: ReadonlyArray<string>) => keys.map((key) => key.slice(subject.prefix.length + 1))
  const tagOf = (tag: string) => `${subject.prefix}:${tag}`
  const optionsOf = ({ grace, only, tags, ttl }: WriteOptions): CacheBackend.SetOptions => ({
    only,
    ttl: Duration.millis(ttl),
    grace: grace === undefined ? undefined : Duration.millis(grace),
    tags: tags.map(tagOf)
  })
  const stateOf = (entry: Entry.Entry<unknown> | undefined): Model.State | undefined =>
    entry && { value: entry.value, isStale: now() >= entry.freshUntil }
  switch (operation.op) {
    case "get":
      return Effect.map(backend.get(of(operation.key), Codec.msgpack), stateOf)
    case "peek":
      return Effect.sync(() => {
        const key = of(operation.key)
        const bookmark = bookmarks.get(key) ?? new LocalStore.Bookmark(key)
        bookmarks.set(key, bookmark)
        return backend.peek(key, Codec.msgpack, bookmark)
      })
    case "peekEntry":
      return Effect.sync(() => stateOf(backend.peekEntry(of(operation.key), Codec.msgpack)))
    case "has":
      return backend.has(of(operation.key))
    case "ttl":
      return Effect.map(backend.ttl(of(operation.key)), (left) => left && Duration.toMillis(left))
    case "delete":
      return backend.delete(of(operation.key))
    case "getMany":
      return Effect.map(backend.getMany(operation.keys.map(of), Codec.msgpack), (entries) => entries.map(stateOf))
    case "deleteMany":
      return backend.deleteMany(operation.keys.map(of))
    case "set":
      return backend.set(of(operation.key), Codec.msgpack, operation.value, optionsOf(operation))
    case "setMany":
      return backend.setMany(
        operation.entries.map(([key, value]) => [of(key), value] as const),
        Codec.msgpack,
        optionsOf(operation)
      )
    case "deleteTags":
      return backend.deleteTags(operation.tags.map(tagOf))
    case "keysByTag":
      return Effect.map(Stream.runCollect(backend.keysByTag(tagOf(operation.tag))), (keys) => names(keys).toSorted())
    case "expire":
      return backend.expire(of(operation.key), Duration.millis(operation.ttl))
    case "increment":
      return backend.increment(of(operation.key), { by: operation.by, ttl: Duration.millis(operation.ttl) })
    case "deletePattern":
      return backend.deletePattern(subject.pattern(operation.pattern))
    case "scan":
      return Effect.map(Stream.runCollect(backend.scan(subject.pattern(operation.pattern))), (keys) =>
        names(keys)
          // it may list them, or not
          .filter((key) => !model.isLeasedOnly(key))
          .toSorted()
      )
    case "take": {
      const { keys, millis, tags, token, when } = operation
      const options = {
        token: tokens[token] ?? "",
        millis,
        when,
        tags: new Map(keys.map((key) => [of(key), tags.map(tagOf)]))
      }
      return Effect.map(backend.leases.take(keys.map(of), Codec.msgpack, options), (leases) =>
        leases.map((lease) => answerOf(asked, lease, stateOf))
      )
    }
    case "fill": {
      const lifetime = { ttlMillis: operation.ttl, graceMillis: operation.grace ?? 0 }
      const loaded = operation.entries.map(([key, value]) => ({
        ...Loading.loaded(of(key), value, lifetime),
        tags: operation.tags.map(tagOf)
      }))
      return backend.leases.fill(loaded, { token: tokens[operation.token] ?? "" })
    }
    case "renew":
      return backend.leases.renew(operation.keys.map(of), tokens[operation.token] ?? "", operation.millis)
    case "release":
      return backend.leases.release(operation.keys.map(of), tokens[operation.token] ?? "", {
        failedForMillis: operation.failedFor
      })
  }
}

const answerOf = (
  { clock, tokens }: Asked,
  lease: Lease.Lease<unknown>,
  stateOf: (entry: Entry.Entry<unknown> | undefined) => Model.State | undefined
): Model.Answer => ({
  tag: lease._tag,
  state: stateOf(lease._tag === "Hit" ? lease.entry : lease.previous),
  token: lease._tag === "Held" ? tokens.indexOf(lease.token) : undefined,
  millis: (lease._tag === "Held" || lease._tag === "Failed") && clock === "test" ? lease.millis : undefined
})

type WriteOptions = Pick<Extract<Question, { readonly op: "set" }>, "grace" | "only" | "tags" | "ttl">
