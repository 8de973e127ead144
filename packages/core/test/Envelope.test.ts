import { Envelope } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { runs } from "./arbitraries.ts"

const LATEST = 2 ** 48 - 1

const deadline = fc.oneof(fc.integer({ min: 0, max: LATEST }), fc.constantFrom(0, 1, LATEST - 1, LATEST))
const version = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, 127, 128, Number.MAX_SAFE_INTEGER)
)
const envelope = fc
  .record(
    { freshUntil: deadline, goneAfter: deadline, version, payload: fc.uint8Array({ maxLength: 300 }) },
    { noNullPrototype: true }
  )
  .filter(({ freshUntil, goneAfter }) => freshUntil <= goneAfter)

const example = Envelope.encode({ freshUntil: 1, goneAfter: 2, version: 3, payload: Buffer.from("payload") })

const changed = (offset: number, byte: number) => {
  const bytes = Buffer.from(example)
  bytes[offset] = byte
  return bytes
}

describe("Envelope", () => {
  it("returns what was put in", () => {
    fc.assert(
      fc.property(envelope, (envelope) => {
        const bytes = Envelope.encode(envelope)
        assert.strictEqual(bytes.length, Envelope.HEADER_BYTES + envelope.payload.length)
        const back = Envelope.decode(bytes)
        assert.deepStrictEqual(back && { ...back, payload: Uint8Array.from(back.payload) }, envelope)
      }),
      runs(200)
    )
  })

  it("cuts deadlines to whole milliseconds, so that nothing lives longer than it should", () => {
    const bytes = Envelope.encode({ freshUntil: 1.9, goneAfter: 2.999, version: 0, payload: Buffer.of() })
    assert.deepInclude(Envelope.decode(bytes), { freshUntil: 1, goneAfter: 2 })
  })

  it("does not copy the payload", () => {
    const bytes = Buffer.from(example)
    const payload = Envelope.decode(bytes)?.payload
    assert.strictEqual(payload?.buffer, bytes.buffer)
  })

  it("reads nothing from a header that is cut off", () => {
    for (let length = 0; length < Envelope.HEADER_BYTES; length++) {
      assert.isUndefined(Envelope.decode(example.subarray(0, length)))
    }
    assert.strictEqual(Envelope.decode(example.subarray(0, Envelope.HEADER_BYTES))?.payload.length, 0)
  })

  it("reads nothing of another magic, layout or flags", () => {
    for (const offset of [0, 1, 2]) {
      for (let byte = 0; byte < 256; byte++) {
        if (byte !== example[offset]) assert.isUndefined(Envelope.decode(changed(offset, byte)))
      }
    }
  })

  it("reads nothing of an impossible version", () => {
    for (let offset = Envelope.VERSION_OFFSET; offset < Envelope.HEADER_BYTES; offset++) {
      assert.isUndefined(Envelope.decode(changed(offset, 0x80)))
    }
    assert.isUndefined(Envelope.decode(changed(Envelope.VERSION_OFFSET, 0x7f)))
  })

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, begins) => {
        const stored = Buffer.concat([begins ? example.subarray(0, 3) : Buffer.of(), bytes])
        const envelope = Envelope.decode(stored)
        if (envelope === undefined) return
        assert.deepStrictEqual(Envelope.encode(envelope), stored)
      }),
      runs(300)
    )
  })

  it("has the deadlines where a script overwrites them", () => {
    fc.assert(
      fc.property(envelope, envelope, (one, other) => {
        const bytes = Envelope.encode(one)
        Envelope.encode(other).copy(
          bytes,
          Envelope.DEADLINES_OFFSET,
          Envelope.DEADLINES_OFFSET,
          Envelope.VERSION_OFFSET
        )
        const { freshUntil, goneAfter } = other
        assert.deepStrictEqual(bytes, Envelope.encode({ ...one, freshUntil, goneAfter }))
      }),
      runs(100)
    )
  })

  it("does not take what would be fresh for longer than it lives", () => {
    const bytes = Envelope.encode({ freshUntil: 2, goneAfter: 1, version: 0, payload: Buffer.of() })
    assert.isUndefined(Envelope.decode(bytes))
  })

  it("orders versions as text, as Lua compares them", () => {
    const versionOf = (version: number) =>
      Envelope.encode({ freshUntil: 0, goneAfter: 0, version, payload: Buffer.of() }).subarray(Envelope.VERSION_OFFSET)
    fc.assert(
      fc.property(version, version, (one, other) => {
        assert.strictEqual(Buffer.compare(versionOf(one), versionOf(other)), Math.sign(one - other))
      }),
      runs(100)
    )
  })
})
