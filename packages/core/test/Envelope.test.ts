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
const token = fc.oneof(
  fc.constant(undefined),
  fc.string({ unit: "binary-ascii", minLength: 1, maxLength: Envelope.MAX_TOKEN_BYTES })
)
const tags = fc
  .array(fc.string({ unit: "grapheme" }), { maxLength: 4 })
  .map(Envelope.encodeTags)
  .map((bytes) => bytes && Uint8Array.from(bytes))
const lease = fc.record({ endsAt: deadline, token, isAwaited: fc.boolean(), tags }, { noNullPrototype: true })
const maybeLease = fc.option(lease, { nil: undefined })
const value = fc
  .record(
    {
      freshUntil: deadline,
      goneAfter: deadline,
      version,
      holds: fc.constant("value" as const),
      lease: maybeLease,
      tags,
      payload: fc.uint8Array({ maxLength: 300 })
    },
    { noNullPrototype: true }
  )
  .filter(({ freshUntil, goneAfter }) => freshUntil <= goneAfter)
const absence = value.map((envelope) => ({ ...envelope, holds: "absence" as const, payload: Uint8Array.of() }))
const nothing = lease.map((lease) => ({
  freshUntil: 0,
  goneAfter: 0,
  version: 0,
  holds: "nothing" as const,
  lease,
  tags: undefined,
  payload: Uint8Array.of()
}))
const envelope: fc.Arbitrary<Envelope.Envelope> = fc.oneof(value, absence, nothing)

const make = (parts: Partial<Envelope.Envelope> = {}): Envelope.Envelope => ({
  freshUntil: 1,
  goneAfter: 2,
  version: 3,
  holds: "value",
  lease: undefined,
  payload: Buffer.from("payload"),
  ...parts
})

/** With plain arrays in place of parts of a buffer. */
const plain = ({ lease, payload, tags, ...rest }: Envelope.Envelope) => ({
  ...rest,
  lease: lease && { ...lease, tags: lease.tags && Uint8Array.from(lease.tags) },
  tags: tags && Uint8Array.from(tags),
  payload: Uint8Array.from(payload)
})

const example = Envelope.encode(make())
const leased = Envelope.encode(make({ lease: { endsAt: 4, token: "token", isAwaited: false } }))

const changed = (offset: number, byte: number, from = example) => {
  const bytes = Buffer.from(from)
  bytes[offset] = byte
  return bytes
}

describe("Envelope", () => {
  it("returns what was put in", () => {
    fc.assert(
      fc.property(envelope, (envelope) => {
        const back = Envelope.decode(Envelope.encode(envelope))
        assert.deepStrictEqual(back && plain(back), envelope)
      }),
      runs(500)
    )
  })

  it("has a header of fixed length, before anything else", () => {
    fc.assert(
      fc.property(envelope, (envelope) => {
        const { freshUntil, goneAfter, holds, version } = envelope
        const header = Envelope.encode(envelope).subarray(0, Envelope.HEADER_BYTES)
        assert.deepStrictEqual(Envelope.decodeHeader(header), {
          freshUntil,
          goneAfter,
          version,
          holds,
          hasLease: envelope.lease !== undefined
        })
      }),
      runs(200)
    )
  })

  it("cuts deadlines to whole milliseconds, so that nothing lives longer than it should", () => {
    const lease = { endsAt: 4.5, token: "token", isAwaited: false, tags: undefined }
    const bytes = Envelope.encode(make({ freshUntil: 1.9, goneAfter: 2.999, lease }))
    assert.deepInclude(Envelope.decode(bytes), { freshUntil: 1, goneAfter: 2, lease: { ...lease, endsAt: 4 } })
  })

  it("does not copy the payload", () => {
    const bytes = Buffer.from(example)
    const payload = Envelope.decode(bytes)?.payload
    assert.strictEqual(payload?.buffer, bytes.buffer)
  })

  it("reads nothing from a header or a lease that is cut off", () => {
    for (let length = 0; length < Envelope.HEADER_BYTES; length++) {
      assert.isUndefined(Envelope.decode(example.subarray(0, length)))
      assert.isUndefined(Envelope.decodeHeader(example.subarray(0, length)))
    }
    assert.strictEqual(Envelope.decode(example.subarray(0, Envelope.HEADER_BYTES))?.payload.length, 0)
    const leaseEnd = Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + "token".length
    for (let length = 0; length < leaseEnd; length++) assert.isUndefined(Envelope.decode(leased.subarray(0, length)))
    assert.strictEqual(Envelope.decode(leased.subarray(0, leaseEnd))?.lease?.token, "token")
  })

  it("reads nothing of another magic or layout", () => {
    for (const offset of [0, 1]) {
      for (let byte = 0; byte < 256; byte++) {
        if (byte !== example[offset]) assert.isUndefined(Envelope.decode(changed(offset, byte)))
      }
    }
  })

  it("reads nothing of flags that it does not know, or that exclude each other", () => {
    const { absent, awaited, lease, leaseOnly, leaseTags, tags } = Envelope.FLAGS
    const nothingButZeros = Buffer.alloc(Envelope.HEADER_BYTES + Envelope.LEASE_BYTES)
    nothingButZeros.set(example.subarray(0, 2))
    const oneTag = Envelope.withLength(Envelope.encodeTags(["tag"]) ?? Buffer.of())
    const bytesWith = (flags: number) =>
      Buffer.concat([
        changed(2, flags, nothingButZeros).subarray(
          0,
          Envelope.HEADER_BYTES + (flags & lease ? Envelope.LEASE_BYTES : 0)
        ),
        flags & leaseTags ? oneTag : Buffer.of(),
        flags & tags ? oneTag : Buffer.of()
      ])
    const understood = Array.from({ length: 256 }, (_, flags) => flags).filter(
      (flags) => Envelope.decode(bytesWith(flags)) !== undefined
    )
    const held = [0, absent, tags, absent | tags]
    const leases = [lease, lease | awaited, lease | leaseTags, lease | awaited | leaseTags]
    assert.deepStrictEqual(
      understood,
      [...held, ...leases.flatMap((lease) => [...held, leaseOnly].map((flags) => lease | flags))].toSorted(
        (a, b) => a - b
      )
    )
  })

  it("reads nothing from tags that are cut off, or are none", () => {
    const block = Envelope.encodeTags(["a", "", "tag"]) ?? Buffer.of()
    const lease = { endsAt: 4, token: "token", isAwaited: true, tags: block }
    for (const envelope of [make({ tags: block }), make({ tags: block, lease }), make({ lease })]) {
      const whole = Envelope.encode({ ...envelope, payload: Buffer.of() })
      assert.isDefined(Envelope.decode(whole))
      for (let length = 0; length < whole.length; length++) {
        assert.isUndefined(Envelope.decode(whole.subarray(0, length)))
      }
    }
    for (const tags of [Buffer.of(), Buffer.of(0), Buffer.of(0, 1), Buffer.of(0, 2, 1), Buffer.of(0, 0, 0)]) {
      assert.isUndefined(Envelope.decode(Envelope.encode(make({ tags }))))
      assert.isUndefined(Envelope.decode(Envelope.encode(make({ lease: { ...lease, tags } }))))
    }
  })

  it("returns the tags that were put in", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" }).filter((tag) => tag.isWellFormed())), (tags) => {
        const bytes = Envelope.encode(make({ tags: Envelope.encodeTags(tags) }))
        assert.deepStrictEqual(Envelope.decodeTags(Envelope.decode(bytes)?.tags), tags)
      }),
      runs(100)
    )
  })

  it("reads nothing of a payload, a deadline or a version where there is no value", () => {
    const absence = Envelope.encode(make({ holds: "absence", payload: Buffer.of() }))
    assert.strictEqual(Envelope.decode(absence)?.holds, "absence")
    assert.isUndefined(Envelope.decode(Buffer.concat([absence, Buffer.of(0)])))
    const lease = { endsAt: 4, token: "token", isAwaited: true }
    const none = { freshUntil: 0, goneAfter: 0, version: 0, holds: "nothing", lease, payload: Buffer.of() } as const
    assert.strictEqual(Envelope.decode(Envelope.encode(none))?.holds, "nothing")
    for (const part of [{ goneAfter: 1 }, { version: 1 }, { payload: Buffer.of(0) }]) {
      assert.isUndefined(Envelope.decode(Envelope.encode({ ...none, ...part })))
    }
  })

  it("reads nothing of an impossible version", () => {
    for (let offset = Envelope.VERSION_OFFSET; offset < Envelope.HEADER_BYTES; offset++) {
      assert.isUndefined(Envelope.decode(changed(offset, 0x80)))
    }
    assert.isUndefined(Envelope.decode(changed(Envelope.VERSION_OFFSET, 0x7f)))
  })

  it("survives any bytes", () => {
    const beginnings = [
      Buffer.of(),
      example.subarray(0, 3),
      ...[3, 6, 14, 16, 34, 50].map((flags) => changed(2, flags).subarray(0, 3))
    ]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...beginnings), (bytes, beginning) => {
        const stored = Buffer.concat([beginning, bytes])
        const envelope = Envelope.decode(stored)
        if (envelope === undefined) return
        assert.deepStrictEqual(Envelope.encode(envelope), stored)
      }),
      runs(500)
    )
  })

  it("has the deadlines where a script overwrites them", () => {
    fc.assert(
      fc.property(value, value, (one, other) => {
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
    assert.isUndefined(Envelope.decode(Envelope.encode(make({ freshUntil: 2, goneAfter: 1 }))))
  })

  it("orders versions as text, as Lua compares them", () => {
    const versionOf = (version: number) =>
      Envelope.encode(make({ version })).subarray(Envelope.VERSION_OFFSET, Envelope.HEADER_BYTES)
    fc.assert(
      fc.property(version, version, (one, other) => {
        assert.strictEqual(Buffer.compare(versionOf(one), versionOf(other)), Math.sign(one - other))
      }),
      runs(100)
    )
  })
})
