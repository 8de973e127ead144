import { assert, describe, it } from "@effect/vitest"
import { Envelope, Lease } from "@tiercache/core"
import { BusMessage } from "@tiercache/redis-backend"
import * as fc from "fast-check"

const UNKNOWN: BusMessage.BusMessage = {
  origin: "",
  kind: "flush",
  keys: [],
  writeId: 0,
  sentAt: NaN,
  pushed: undefined,
  isChange: true
}

const key = fc.string({ unit: "binary" })
const millis = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const envelope = fc
  .record({
    goneAfter: millis,
    grace: millis,
    version: fc.maxSafeNat(),
    payload: fc.uint8Array().map((bytes) => Buffer.from(bytes))
  })
  .map(({ grace, ...rest }) => ({ ...rest, freshUntil: Math.max(0, rest.goneAfter - grace) }))
const stored = (envelope: BusMessage.Pushed, holds: "value" | "absence" = "value") =>
  Envelope.encode({ ...envelope, holds, lease: undefined })
const head = (kind: BusMessage.Kind, writeId = 0, sentAt = 1_754_000_000_123) => {
  const origin = BusMessage.makeOrigin()
  return { origin, header: BusMessage.header(kind, origin, writeId, sentAt) }
}

describe("BusMessage", () => {
  it("reads what it wrote", () => {
    const kind = fc.constantFrom("set", "delete", "expire", "pattern", "flush", "released", "failed")
    fc.assert(
      fc.property(kind, fc.array(key), fc.nat(), millis, (kind, keys, writeId, sentAt) => {
        const { header, origin } = head(kind, writeId, sentAt)
        assert.deepStrictEqual(BusMessage.decode(BusMessage.encode(header, keys)), {
          origin,
          kind,
          keys,
          writeId,
          sentAt,
          pushed: undefined,
          isChange: !["pattern", "released", "failed"].includes(kind)
        })
      })
    )
  })

  it("reads the messages of a bundle, and one that is none", () => {
    const [one, other] = [head("set", 7), head("delete")]
    const messages = [BusMessage.encode(one.header, ["a", "b"]), BusMessage.encode(other.header, ["c"])]
    const bundle = BusMessage.encode(head("bundle").header, messages)
    assert.deepStrictEqual(BusMessage.decodeAll(bundle), messages.map(BusMessage.decode))
    assert.deepStrictEqual(
      BusMessage.decodeAll(bundle).map(({ keys, kind, writeId }) => [kind, keys, writeId]),
      [
        ["set", ["a", "b"], 7],
        ["delete", ["c"], 0]
      ]
    )
    for (const message of messages) assert.deepStrictEqual(BusMessage.decodeAll(message), [BusMessage.decode(message)])
    assert.deepStrictEqual(BusMessage.decodeAll(bundle.subarray(0, -1)), [UNKNOWN])
    assert.deepStrictEqual(BusMessage.decodeAll(BusMessage.encode(head("bundle").header, [bundle])), [UNKNOWN])
    assert.deepStrictEqual(BusMessage.decode(bundle), UNKNOWN)
    const bundleOf = (parts: ReadonlyArray<string | Uint8Array>) => BusMessage.encode(head("bundle").header, parts)
    // however many parts nobody understands, all is flushed once
    assert.deepStrictEqual(BusMessage.decodeAll(bundleOf([...messages, ...Array.from({ length: 100 }, () => "")])), [
      UNKNOWN
    ])
    assert.deepStrictEqual(BusMessage.decodeAll(bundleOf([])), [UNKNOWN])
  })

  it("reads the entries that are pushed", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, envelope)), (entries) => {
        const { header } = head("push")
        const parts = entries.flatMap(([key, envelope]) => [key, stored(envelope)])
        const { keys, kind, pushed } = BusMessage.decode(BusMessage.encode(header, parts))
        assert.strictEqual(kind, "set")
        assert.deepStrictEqual(
          keys,
          entries.map(([key]) => key)
        )
        assert.deepStrictEqual(
          pushed,
          entries.map(([, envelope]) => envelope)
        )
      })
    )
  })

  it("of a push with an entry in another layout keeps the keys", () => {
    const { header } = head("push")
    const { keys, pushed } = BusMessage.decode(BusMessage.encode(header, ["a", "not an envelope", "b"]))
    assert.deepStrictEqual(keys, ["a", "b"])
    assert.isUndefined(pushed)
  })

  it("of a push of what is no value keeps the keys", () => {
    const { header } = head("push")
    const absence = stored({ freshUntil: 1, goneAfter: 2, version: 3, payload: Buffer.of() }, "absence")
    const { keys, pushed } = BusMessage.decode(BusMessage.encode(header, ["a", absence]))
    assert.deepStrictEqual(keys, ["a"])
    assert.isUndefined(pushed)
  })

  it("names a lease as its token does", () => {
    const origin = BusMessage.makeOrigin()
    const message = BusMessage.decode(BusMessage.encode(BusMessage.header("failed", origin, 7, 1), ["a"]))
    assert.strictEqual(Lease.tokenOfMessage(message), Lease.tokenOf(origin, 7))
  })

  it("tells listeners of the bus what was missing at a delete, and the change feed not", () => {
    const { header } = head("missing")
    const { isChange, keys, kind } = BusMessage.decode(BusMessage.encode(header, ["a"]))
    assert.deepStrictEqual({ isChange, keys, kind }, { isChange: false, keys: ["a"], kind: "delete" })
  })

  it("gives every process a name of its own", () => {
    assert.notStrictEqual(BusMessage.makeOrigin(), BusMessage.makeOrigin())
  })

  it("takes another version, another kind and a message cut short for a flush", () => {
    const { header } = head("set")
    const bytes = BusMessage.encode(header, ["key", "other"])
    const changed = (index: number, char: string) =>
      Buffer.concat([bytes.subarray(0, index), Buffer.from(char), bytes.subarray(index + 1)])
    assert.deepStrictEqual(BusMessage.decode(changed(0, "2")), UNKNOWN)
    assert.deepStrictEqual(BusMessage.decode(changed(1, "?")), UNKNOWN)
    assert.deepStrictEqual(BusMessage.decode(changed(1, "z")), UNKNOWN)
    assert.deepStrictEqual(BusMessage.decode(changed(header.length, "x")), UNKNOWN)
    for (const length of [0, 1, 2, 23, header.length - 1, header.length + 1, bytes.length - 1]) {
      assert.deepStrictEqual(BusMessage.decode(bytes.subarray(0, length)), UNKNOWN, `${length} bytes`)
    }
  })

  it("reads any bytes without a crash", () => {
    const headers = (["set", "push"] as const).map((kind) => Buffer.from(head(kind).header))
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom(Buffer.alloc(0), ...headers), (bytes, header) => {
        BusMessage.decode(Buffer.concat([header, bytes]))
      })
    )
  })
})
