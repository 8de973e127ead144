/**
 * Entries with tags, and what tests ask about them.
 */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"
import * as Codec from "../../Codec.ts"
import { grant, loaded } from "./Loading.ts"
import { LONG, type Subject } from "./Subject.ts"

/** Tags that no other test has. */
export const tagOf = ({ prefix }: Subject, name: string) => `${prefix}:${name}`
export const tagsOf = (subject: Subject, names: ReadonlyArray<string>) => names.map((name) => tagOf(subject, name))

export const put = (
  subject: Subject,
  name: string,
  tags: ReadonlyArray<string>,
  options?: Partial<CacheBackend.SetOptions>
) => subject.backend.set(subject.key(name), Codec.msgpack, name, { ttl: LONG, ...options, tags: tagsOf(subject, tags) })

export const deleteTags = (subject: Subject, names: ReadonlyArray<string>) =>
  subject.backend.deleteTags(tagsOf(subject, names))

/** The names of the keys that carry a tag. */
export const keysByTag = (subject: Subject, name: string) =>
  Effect.map(Stream.runCollect(subject.backend.keysByTag(tagOf(subject, name))), (keys) =>
    keys.map((key) => key.slice(subject.prefix.length + 1)).toSorted()
  )

/** Those of the names under which there is a value. */
export const present = (subject: Subject, names: ReadonlyArray<string>) =>
  Effect.map(
    subject.backend.getMany(
      names.map((name) => subject.key(name)),
      Codec.msgpack
    ),
    (entries) => names.filter((_, index) => entries[index] !== undefined)
  )

export const taking = (subject: Subject, key: string, tags: ReadonlyArray<string>) => ({
  tags: new Map([[key, tagsOf(subject, tags)]])
})

export const fillWith = (subject: Subject, key: string, token: string, value: unknown, tags: ReadonlyArray<string>) =>
  Effect.map(
    subject.backend.leases.fill([{ ...loaded(key, value), tags: tagsOf(subject, tags) }], { token }),
    ([isFilled]) => isFilled ?? assert.fail("fill did not answer")
  )

/** Loads a value for a key that has none. */
export const fillTagged = (subject: Subject, name: string, value: unknown, tags: ReadonlyArray<string>) =>
  Effect.flatMap(grant(subject, [subject.key(name)]), (token) =>
    fillWith(subject, subject.key(name), token, value, tags)
  )
