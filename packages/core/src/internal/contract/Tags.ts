/**
 * Deleting by tag: what carries the tag now is deleted, all of it and nothing else.
 */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"
import * as Codec from "../../Codec.ts"
import * as Tag from "../../Tag.ts"
import { listen } from "./LeaseMessages.ts"
import { LONG, reasonOf, SHORT, store, type Test, valueOf } from "./Subject.ts"
import { deleteTags, fillTagged, keysByTag, present, put, tagOf, tagsOf } from "./Tagging.ts"

/** Text with a meaning in Redis, in patterns, in Lua or in our own layouts. */
const HOSTILE = [
  "*",
  "a*",
  "a?",
  "[a-z]",
  "{a}",
  "}",
  "{tiercache}:tag:",
  "a:b",
  ":",
  "",
  " ",
  "\0",
  "a\0b",
  "\r\n$1\r\n",
  "\u00c1",
  "ä€😀",
  "%s%d%%",
  "'\"]]--",
  "-1",
  "a".repeat(3000)
]

export const register = (test: Test): void => {
  const tagged = (name: string, body: Parameters<Test>[1]) => test(name, body, "tags")

  tagged(
    "what carries any of the tags is deleted, counted once, and nothing else",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* put(subject, "a", ["red"])
      yield* put(subject, "b", ["red", "blue"])
      yield* put(subject, "c", ["blue", "blue", "green"])
      yield* put(subject, "d", ["green"])
      yield* store(subject, key("e"), "e")
      assert.strictEqual(yield* deleteTags(subject, ["red", "blue", "red"]), 3)
      assert.deepStrictEqual(yield* present(subject, ["a", "b", "c", "d", "e"]), ["d", "e"])
      assert.strictEqual(yield* deleteTags(subject, ["red", "blue"]), 0)
      assert.strictEqual(yield* backend.deleteTags([]), 0)
    })
  )

  tagged(
    "an entry carries the tags of its last set",
    Effect.fnUntraced(function* (subject) {
      const { key } = subject
      yield* put(subject, "other", ["red"])
      yield* put(subject, "other", ["blue"])
      yield* put(subject, "none", ["red"])
      yield* store(subject, key("none"), "none")
      yield* put(subject, "again", ["red", "blue"])
      yield* put(subject, "again", ["red"])
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 1)
      assert.deepStrictEqual(yield* present(subject, ["other", "none", "again"]), ["other", "none"])
      assert.strictEqual(yield* deleteTags(subject, ["blue"]), 1)
      assert.deepStrictEqual(yield* present(subject, ["other", "none"]), ["none"])
    })
  )

  tagged(
    "a set that is refused changes no tags",
    Effect.fnUntraced(function* (subject) {
      yield* put(subject, "a", ["red"])
      assert.isFalse(yield* put(subject, "a", ["blue"], { only: "absent" }))
      assert.isFalse(yield* put(subject, "b", ["blue"], { only: "present" }))
      assert.deepStrictEqual(yield* keysByTag(subject, "blue"), [])
      assert.strictEqual(yield* deleteTags(subject, ["blue"]), 0)
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 1)
    })
  )

  tagged(
    "of many entries each may have tags and a TTL of its own",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const entries: ReadonlyArray<CacheBackend.ManyEntry<string>> = [
        [key("own"), "own", { tags: tagsOf(subject, ["blue"]) }],
        [key("none"), "none", { tags: [] }],
        [key("given"), "given"],
        [key("brief"), "brief", { ttl: SHORT }],
        [key("twice"), "first", { tags: tagsOf(subject, ["blue"]) }],
        [key("twice"), "last", { tags: tagsOf(subject, ["green"]), ttl: "2 hours" }]
      ]
      const options: CacheBackend.SetOptions = { ttl: LONG, tags: tagsOf(subject, ["red"]) }
      assert.strictEqual(yield* backend.setMany(entries, Codec.msgpack, options), 5)
      const red = yield* keysByTag(subject, "red")
      assert.deepStrictEqual(
        red.filter((name) => name !== "brief"),
        ["given"]
      )
      assert.deepStrictEqual(yield* keysByTag(subject, "blue"), ["own"])
      assert.deepStrictEqual(yield* keysByTag(subject, "green"), ["twice"])
      yield* subject.elapse
      assert.deepStrictEqual(yield* present(subject, ["own", "none", "given", "brief", "twice"]), [
        "own",
        "none",
        "given",
        "twice"
      ])
      assert.strictEqual(yield* deleteTags(subject, ["red", "green"]), 2)
      assert.deepStrictEqual(yield* present(subject, ["own", "none", "given", "twice"]), ["own", "none"])
    })
  )

  tagged(
    "a new TTL and counting keep the tags",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      if (backend.unsupported.has("expire") || backend.unsupported.has("increment")) return
      yield* put(subject, "a", ["red"], { ttl: SHORT })
      assert.isTrue(yield* backend.expire(key("a"), LONG))
      yield* backend.set(key("n"), Codec.msgpack, 1, { ttl: LONG, tags: tagsOf(subject, ["red", "blue"]) })
      assert.strictEqual(yield* backend.increment(key("n"), { ttl: LONG }), 2)
      yield* backend.increment(key("new"), { ttl: LONG })
      yield* subject.elapse
      // writes to the index, which remove from it what is over
      yield* put(subject, "b", ["red"])
      assert.deepStrictEqual(yield* keysByTag(subject, "red"), ["a", "b", "n"])
      assert.strictEqual(yield* deleteTags(subject, ["blue"]), 1)
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 2)
      assert.isTrue(yield* backend.has(key("new")))
    })
  )

  tagged(
    "what is gone is not counted; what is stale, or is known not to exist, is",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* put(subject, "gone", ["red"], { ttl: SHORT })
      yield* put(subject, "stale", ["red"], { ttl: SHORT, grace: LONG })
      yield* put(subject, "deleted", ["red"])
      yield* backend.delete(key("deleted"))
      if (!backend.unsupported.has("leases")) yield* fillTagged(subject, "absent", undefined, ["red"])
      yield* subject.elapse
      const listed = backend.unsupported.has("leases") ? ["stale"] : ["absent", "stale"]
      assert.deepStrictEqual(yield* keysByTag(subject, "red"), listed)
      assert.strictEqual(yield* deleteTags(subject, ["red"]), listed.length)
      assert.deepStrictEqual(yield* backend.getMany([key("stale"), key("absent")], Codec.msgpack), [
        undefined,
        undefined
      ])
    })
  )

  tagged(
    "no tag is taken for another, whatever is in it and in the keys",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const keys = new Map(HOSTILE.map((text, index) => [text, `${subject.key("hostile", `${index}`)}${text}`]))
      yield* Effect.addFinalizer(() => Effect.ignore(backend.deleteMany([...keys.values()])))
      for (const [text, key] of keys) {
        yield* backend.set(key, Codec.msgpack, text, { ttl: LONG, tags: tagsOf(subject, [text, "all"]) })
      }
      for (const [text, key] of keys) {
        assert.deepStrictEqual(yield* Stream.runCollect(backend.keysByTag(tagOf(subject, text))), [key])
        assert.strictEqual(yield* deleteTags(subject, [text]), 1, text)
        assert.isUndefined(yield* valueOf(subject, key))
        keys.delete(text)
        const rest = yield* backend.getMany([...keys.values()], Codec.msgpack)
        assert.deepStrictEqual(
          rest.map((entry) => entry?.value),
          [...keys.keys()]
        )
      }
    })
  )

  tagged(
    "the tags of an entry are limited, and what is beyond is not written",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const tag = "x".repeat(Tag.MAX_BYTES - 2)
      yield* backend.set(key("most"), Codec.msgpack, 1, { ttl: LONG, tags: [tag, tag] })
      assert.strictEqual(yield* reasonOf(put(subject, "a", [`${tag}y`])), "InvalidOption")
      assert.strictEqual(yield* reasonOf(put(subject, "a", [tag, "y"])), "InvalidOption")
      const many = backend.setMany(
        [
          [key("a"), 1],
          [key("b"), 1, { tags: [`${tag}y`] }]
        ],
        Codec.msgpack,
        { ttl: LONG }
      )
      assert.strictEqual(yield* reasonOf(many), "InvalidOption")
      assert.deepStrictEqual(yield* present(subject, ["a", "b"]), [])
      assert.isAtLeast(yield* backend.deleteTags([tag]), 1)
      assert.isUndefined(yield* valueOf(subject, key("most")))
    })
  )

  tagged(
    "a thousand among many are found and deleted",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const names = Array.from({ length: 3000 }, (_, index) => `${index}`)
      yield* backend.setMany(
        names.map((name, index) => [key(name), index, { tags: tagsOf(subject, [index % 3 === 0 ? "red" : "blue"]) }]),
        Codec.msgpack,
        { ttl: LONG }
      )
      const deleted: Array<string> = []
      assert.strictEqual((yield* keysByTag(subject, "red")).length, 1000)
      assert.strictEqual(yield* backend.deleteTags(tagsOf(subject, ["red"]), (keys) => deleted.push(...keys)), 1000)
      assert.deepStrictEqual(
        deleted.toSorted(),
        names
          .filter((_, index) => index % 3 === 0)
          .map((name) => key(name))
          .toSorted()
      )
      assert.strictEqual((yield* keysByTag(subject, "red")).length, 0)
      assert.strictEqual((yield* present(subject, names)).length, 2000)
    })
  )

  tagged(
    "what is deleted is announced, and no longer in this process",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* put(subject, "a", ["red"])
      yield* put(subject, "b", ["red"])
      yield* put(subject, "c", ["blue"])
      for (const name of ["a", "b", "c"]) yield* valueOf(subject, key(name))
      const bus = yield* listen(subject)
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 2)
      for (const name of ["a", "b"]) {
        assert.isUndefined(backend.peek(key(name), Codec.msgpack))
        assert.isUndefined(backend.peekEntry(key(name), Codec.msgpack))
      }
      yield* bus.hears([`delete ${key("a")}`, `delete ${key("b")}`])
      assert.strictEqual(yield* deleteTags(subject, ["red", "green"]), 0)
      yield* bus.hears([])
    })
  )

  tagged(
    "no pattern lists what tags are kept in",
    Effect.fnUntraced(function* (subject) {
      yield* put(subject, "a", ["red", "blue"])
      const keys = yield* Stream.runCollect(subject.backend.scan(subject.pattern("*")))
      assert.deepStrictEqual(keys, [subject.key("a")])
    })
  )
}
