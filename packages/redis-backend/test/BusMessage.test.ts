import { assert, describe, it } from "@effect/vitest"
import { BusMessage } from "@tiercache/redis-backend"
import * as fc from "fast-check"

const UNKNOWN = { message: { origin: "", kind: "flush", keys: [] }, isChange: true }
const key = fc.string({ unit: "binary" })

describe("BusMessage", () => {
  it("reads what it wrote", () => {
    const kind = fc.constantFrom("set", "delete", "expire", "flush")
    fc.assert(
      fc.property(kind, fc.array(key), (kind, keys) => {
        const origin = BusMessage.makeOrigin()
        assert.deepStrictEqual(BusMessage.decode(BusMessage.encode(kind, origin, keys)), {
          message: { origin, kind, keys },
          isChange: true
        })
      })
    )
  })

  it("tells listeners of the bus what was missing at a delete, and the change feed not", () => {
    const origin = BusMessage.makeOrigin()
    assert.deepStrictEqual(BusMessage.decode(BusMessage.encode("missing", origin, ["a"])), {
      message: { origin, kind: "delete", keys: ["a"] },
      isChange: false
    })
  })

  it("gives every process a name of its own", () => {
    assert.notStrictEqual(BusMessage.makeOrigin(), BusMessage.makeOrigin())
  })

  it("takes another version, another kind and a message cut short for a flush", () => {
    const bytes = BusMessage.encode("set", BusMessage.makeOrigin(), ["key", "other"])
    const versioned = Buffer.from(bytes)
    versioned[0] = "2".charCodeAt(0)
    const kind = Buffer.from(bytes)
    kind[1] = "?".charCodeAt(0)
    assert.deepStrictEqual(BusMessage.decode(versioned), UNKNOWN)
    assert.deepStrictEqual(BusMessage.decode(kind), UNKNOWN)
    for (const length of [0, 1, 2, 23, bytes.length - 1]) {
      assert.deepStrictEqual(BusMessage.decode(bytes.subarray(0, length)), UNKNOWN)
    }
  })

  it("reads any bytes without a crash", () => {
    const header = Buffer.from(BusMessage.header("set", BusMessage.makeOrigin()))
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        BusMessage.decode(Buffer.from(bytes))
        BusMessage.decode(Buffer.concat([header, bytes]))
      })
    )
  })
})
