import { deepStrictEqual } from "node:assert"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { CacheError, Codec, Entity, Secrets, Snapshot } from "@tiercache/core"
import { Redacted, Schema } from "effect"
import * as fc from "fast-check"
import { runs, storable } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:broker:credentials:alpaca:conn-1"

const bytesOf = (seed: number) => new Uint8Array(32).fill(seed)
const keyOf = (id: string, seed: number): Secrets.Key => ({ id, key: Redacted.make(bytesOf(seed)) })
const textOf = (id: string, seed: number) => `${id}:${Buffer.from(bytesOf(seed)).toString("base64")}`

/** `undefined` stands for absence. */
const stored = storable.filter((value) => value !== undefined)

const k1 = keyOf("k1", 1)
const k2 = keyOf("k2", 2)
const ring = Secrets.keyRing([k1])

/** A codec that encrypts, for any value. */
const encrypted = (keys: Secrets.KeyRing) => Secrets.unlock(Secrets.lock(Codec.msgpack), keys)
const codec = encrypted(ring)

const VALUE = { apiKey: "hunter2-hunter2", scopes: ["trade", "read"] }

const refusedBy = (codec: Codec.Codec<unknown>, bytes: Uint8Array, key = KEY) =>
  assert.strictEqual(cacheErrorOf(() => codec.decode(bytes, key)).reason, "Decode")

describe("an encrypting codec", () => {
  it("returns every value as its codec does", () => {
    fc.assert(
      fc.property(stored, fc.string({ minLength: 1 }), (value, key) => {
        deepStrictEqual(codec.decode(codec.encode(value, key), key), value)
      }),
      runs(200)
    )
  })

  it("shows nothing of the value", () => {
    const secret = fc.string({ minLength: 8, unit: "grapheme-ascii" })
    fc.assert(
      fc.property(secret, (text) => {
        const bytes = Buffer.from(codec.encode({ text }, KEY))
        assert.isFalse(bytes.includes(text))
        assert.isFalse(bytes.includes(Buffer.from(text, "utf16le")))
        assert.isFalse(bytes.includes(Buffer.from(text).toString("base64")))
        assert.isFalse(bytes.includes("text"))
      }),
      runs(200)
    )
  })

  it("says by which key and with which nonce, 33 bytes in all", () => {
    const plain = Codec.msgpack.encode(VALUE, KEY)
    const bytes = Buffer.from(codec.encode(VALUE, KEY))
    assert.deepStrictEqual([...bytes.subarray(0, 5)], [0xc1, 1, 2, ...Buffer.from("k1")])
    assert.strictEqual(bytes.length - plain.length, 33)
  })

  it("never takes a nonce twice", () => {
    const count = 2000
    const ciphertexts = Array.from({ length: count }, () => Buffer.from(codec.encode(VALUE, KEY)))
    assert.strictEqual(new Set(ciphertexts.map((bytes) => bytes.toString("hex", 5, 17))).size, count)
    assert.strictEqual(new Set(ciphertexts.map((bytes) => bytes.toString("hex", 17))).size, count)
  })

  it("refuses what was changed, whichever byte it is", () => {
    const flip = fc.integer({ min: 1, max: 255 })
    fc.assert(
      fc.property(stored, flip, (value, mask) => {
        const bytes = codec.encode(value, KEY)
        const places = Math.min(bytes.length, 200)
        for (let place = 0; place < places; place++) {
          const at = place < 100 ? place : bytes.length - 1 - (place - 100)
          const changed = Uint8Array.from(bytes)
          changed[at] = (changed[at] ?? 0) ^ mask
          if (at >= 0 && at < bytes.length) refusedBy(codec, changed)
        }
      }),
      runs(20)
    )
  })

  it("refuses what was cut off or grew, wherever", () => {
    const bytes = codec.encode(VALUE, KEY)
    for (let length = 0; length < bytes.length; length++) {
      refusedBy(codec, bytes.subarray(0, length))
      if (length > 0) refusedBy(codec, bytes.subarray(length))
    }
    refusedBy(codec, Buffer.concat([bytes, Buffer.of(0)]))
  })

  it("refuses any bytes", () => {
    const headed = fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from([0xc1, 1, 2]), Buffer.from("k1"), bytes]))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), headed), (bytes) => refusedBy(codec, bytes)),
      runs(500)
    )
  })

  it("refuses what was encrypted for another entry", () => {
    const other = fc.string().filter((key) => key !== KEY)
    fc.assert(
      fc.property(other, (key) => refusedBy(codec, codec.encode(VALUE, KEY), key)),
      runs(100)
    )
    // the id of the key and the entry's key do not run into each other
    const long = encrypted(Secrets.keyRing([keyOf("k1t", 1)]))
    refusedBy(codec, long.encode(VALUE, "radecore"), "tradecore")
  })

  it("refuses plain text, and codecs without keys refuse what it wrote", () => {
    fc.assert(
      fc.property(stored, (value) => refusedBy(codec, Codec.msgpack.encode(value, KEY))),
      runs(200)
    )
    const credentials = Codec.schema(Schema.Struct({ apiKey: Schema.String, scopes: Schema.Array(Schema.String) }))
    const text = Codec.schema(Schema.String)
    for (let count = 0; count < 200; count++) {
      const bytes = codec.encode(VALUE, KEY)
      for (const plain of [Codec.msgpack, Codec.json, credentials, text]) {
        assert.strictEqual(cacheErrorOf(() => plain.decode(bytes, KEY)).reason, "Decode")
      }
    }
  })

  it("refuses what its own codec refuses, and says nothing of the value", () => {
    const error = cacheErrorOf(() => codec.encode({ "hunter2-hunter2": () => "hunter2-hunter2" }, KEY))
    assert.strictEqual(error.reason, "Encode")
    assert.notInclude(inspect(error, { depth: null }), "hunter2")
    const strict = Secrets.unlock(Secrets.lock(Codec.schema(Schema.Finite)), ring)
    const written = encrypted(ring).encode("hunter2-hunter2", KEY)
    const misfit = cacheErrorOf(() => strict.decode(written, KEY))
    assert.strictEqual(misfit.reason, "Decode")
    assert.notInclude(inspect(misfit, { depth: null }), "hunter2")
  })
})

describe("keys that are replaced", () => {
  const before = encrypted(Secrets.keyRing([k1]))
  const during = encrypted(Secrets.keyRing([k2, k1]))
  const after = encrypted(Secrets.keyRing([k2]))

  it("open what they encrypted while they are in the ring", () => {
    const old = before.encode(VALUE, KEY)
    assert.deepStrictEqual(during.decode(old, KEY), VALUE)
    refusedBy(after, old)
  })

  it("encrypt nothing any more", () => {
    const bytes = during.encode(VALUE, KEY)
    assert.deepStrictEqual(after.decode(bytes, KEY), VALUE)
    refusedBy(before, bytes)
  })

  it("do not open what was encrypted by another of their name", () => {
    refusedBy(encrypted(Secrets.keyRing([keyOf("k1", 3)])), before.encode(VALUE, KEY))
  })
})

describe("Secrets.lock", () => {
  const locked = Secrets.lock(Codec.msgpack)

  it("neither encodes nor decodes without keys", () => {
    assert.strictEqual(Secrets.unlock(locked, undefined), locked)
    assert.strictEqual(cacheErrorOf(() => locked.encode(VALUE, KEY)).reason, "InvalidOption")
    assert.strictEqual(cacheErrorOf(() => locked.decode(codec.encode(VALUE, KEY), KEY)).reason, "InvalidOption")
    assert.strictEqual(cacheErrorOf(() => Snapshot.make(locked, VALUE, KEY)).reason, "InvalidOption")
  })

  it("gives one codec for each ring, so that L1 knows it again", () => {
    assert.strictEqual(Secrets.unlock(locked, ring), Secrets.unlock(locked, ring))
    assert.notStrictEqual(Secrets.unlock(locked, ring), Secrets.unlock(locked, Secrets.keyRing([k1])))
    assert.strictEqual(Secrets.unlock(locked, "in-process"), Secrets.unlock(locked, "in-process"))
  })

  it("does not encrypt what stays in the process", () => {
    const plain = Secrets.unlock(locked, "in-process")
    assert.deepStrictEqual(plain.encode(VALUE, KEY), Codec.msgpack.encode(VALUE, KEY))
  })

  it("is told apart with or without keys", () => {
    for (const keys of [undefined, ring, "in-process"] as const) {
      assert.isTrue(Secrets.unlock(locked, keys).secret)
    }
    assert.strictEqual(Secrets.unlock(Codec.msgpack, ring), Codec.msgpack)
  })
})

describe("a secret entity", () => {
  const options = { key: { id: Schema.NonEmptyString }, value: Schema.String }
  const make = (more: Partial<Entity.Options<typeof options.key, string>>) =>
    Entity.make("auth", "token", { ...options, ...more })

  it("is not in L1, unless that is asked for", () => {
    assert.isTrue(make({}).codec.local)
    assert.isFalse(make({ l1: false }).codec.local)
    assert.isFalse(make({ secret: true }).codec.local)
    assert.isTrue(make({ secret: true, l1: true }).codec.local)
    assert.isFalse(Secrets.unlock(make({ secret: true }).codec, ring).local)
  })

  it("sends no values to an L1 that keeps none", () => {
    assert.strictEqual(make({ onWrite: "update" }).onWrite, "update")
    assert.strictEqual(make({ secret: true, l1: true, onWrite: "update" }).onWrite, "update")
    assert.strictEqual(make({ secret: true, onWrite: "update" }).onWrite, "invalidate")
    assert.strictEqual(make({ l1: false, onWrite: "update" }).onWrite, "invalidate")
  })
})

describe("Secrets.keyRing", () => {
  it("names its keys and shows none of them", () => {
    const ring = Secrets.keyRing([k2, k1])
    assert.deepStrictEqual(ring.ids, ["k2", "k1"])
    const shown = [inspect(ring, { depth: null, showHidden: true }), JSON.stringify(ring)].join()
    for (const { key } of [k1, k2]) {
      const bytes = Buffer.from(Redacted.value(key))
      for (const encoding of ["hex", "base64", "latin1"] as const) assert.notInclude(shown, bytes.toString(encoding))
      assert.notInclude(shown, inspect(bytes).slice("<Buffer ".length, -1))
    }
  })

  it("does not mind what becomes of the bytes that it was given", () => {
    const bytes = bytesOf(9)
    const ring = Secrets.keyRing([{ id: "k", key: Redacted.make(bytes) }])
    const ciphertext = ring.encrypt(Buffer.from("text"), KEY)
    bytes.fill(0)
    assert.strictEqual(Buffer.from(ring.decrypt(ciphertext, KEY)).toString(), "text")
    assert.strictEqual(Buffer.from(encryptedElsewhere(9, ring.encrypt(Buffer.from("text"), KEY))).toString(), "text")
  })

  const encryptedElsewhere = (seed: number, ciphertext: Uint8Array) =>
    Secrets.keyRing([keyOf("k", seed)]).decrypt(ciphertext, KEY)

  it("refuses keys that cannot be", () => {
    const mistakes: ReadonlyArray<readonly [keys: readonly [Secrets.Key, ...Array<Secrets.Key>], message: string]> = [
      [[keyOf("", 1)], "the id of key 1"],
      [[k1, keyOf("a,b", 2)], "the id of key 2"],
      [[keyOf("x".repeat(17), 1)], "the id of key 1"],
      [[k1, keyOf("k1", 2)], "key 2 has the id of another"],
      [[k1, k2, keyOf("k3", 1)], "key 3 is the same as another"],
      [[{ id: "k1", key: Redacted.make(new Uint8Array(31)) }], "key 1 has 31 bytes; it needs 32"]
    ]
    for (const [keys, message] of mistakes) {
      const error = cacheErrorOf(() => Secrets.keyRing(keys))
      assert.strictEqual(error.reason, "InvalidOption")
      assert.include(error.message, message)
    }
  })
})

describe("Secrets.parse", () => {
  it("reads keys from text, redacted or not", () => {
    const text = `${textOf("k2", 2)}, ${textOf("k1", 1)}\n`
    for (const ring of [Secrets.parse(text), Secrets.parse(Redacted.make(text))]) {
      assert.deepStrictEqual(ring.ids, ["k2", "k1"])
      const bytes = Secrets.keyRing([k2, k1]).encrypt(Buffer.from("text"), KEY)
      assert.strictEqual(Buffer.from(ring.decrypt(bytes, KEY)).toString(), "text")
      assert.deepStrictEqual(
        Secrets.keyRing([k2]).decrypt(ring.encrypt(Buffer.from("text"), KEY), KEY),
        Buffer.from("text")
      )
    }
  })

  it("says what is wrong with the text", () => {
    const base64 = Buffer.from(bytesOf(1)).toString("base64")
    const mistakes: ReadonlyArray<readonly [text: string, message: string]> = [
      ["", "there is no key"],
      [" ", "there is no key"],
      [base64, "key 1 has no id"],
      [`${textOf("k1", 1)},`, "key 2 has no id"],
      [`:${base64}`, "the id of key 1"],
      [`${base64}:k1`, "key 1 is not Base64"],
      [`k1:${base64.slice(0, -1)}`, "key 1 is not Base64"],
      [`k1:${Buffer.from(bytesOf(1)).toString("hex")}`, "key 1 has 48 bytes; it needs 32"],
      [`k1:${base64}=`, "key 1 is not Base64"],
      ["k1:", "key 1 has 0 bytes"],
      [`${textOf("k1", 1)},${textOf("k1", 2)}`, "key 2 has the id of another"]
    ]
    for (const [text, message] of mistakes) {
      const error = cacheErrorOf(() => Secrets.parse(text))
      assert.strictEqual(error.reason, "InvalidOption")
      assert.include(error.message, message)
    }
  })

  it("quotes nothing of the text, whatever it is", () => {
    const part = fc.oneof(fc.base64String({ minLength: 8 }), fc.string({ minLength: 8 }))
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(":", ",", " "),
        (parts, separator) => {
          try {
            Secrets.parse(parts.join(separator))
          } catch (error) {
            assert.isTrue(CacheError.isCacheError(error))
            const shown = inspect(error, { depth: null }).replaceAll(/\bat .*/g, "")
            for (const part of parts) assert.isFalse(part.trim().length >= 8 && shown.includes(part.trim()), shown)
          }
        }
      ),
      runs(300)
    )
  })
})
