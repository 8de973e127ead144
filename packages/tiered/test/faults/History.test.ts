import { assert, describe, it } from "@effect/vitest"
import * as History from "./History.ts"

const at = { process: "p", key: "k", settled: "in time" } as const

const write = (n: number, start: number, end: number, more: Partial<History.Write> = {}): History.Write => ({
  ...at,
  op: "write",
  version: { writer: "w", n },
  start,
  end,
  result: "acknowledged",
  ...more
})

const read = (n: number, start: number, more: Partial<History.Read> = {}): History.Read => ({
  ...at,
  op: "read",
  process: "reader",
  version: { writer: "w", n },
  start,
  end: start + 1,
  result: "found",
  tier: "l1",
  ...more
})

const absent = { version: undefined, result: "absent", tier: "l2" } as const

const rulesBroken = (operations: ReadonlyArray<History.Read | History.Write>, finals: History.History["finals"] = []) =>
  History.check({ operations, finals }, { boundMillis: 100 }).map(({ rule }) => rule)

describe("History, bounded staleness", () => {
  const writes = [write(1, 0, 5), write(2, 10, 15)]

  it("allows the old value until the bound after the acknowledgement, whenever the read ends", () => {
    assert.deepEqual(rulesBroken([...writes, read(1, 115, { end: 500 })]), [])
  })
  it("finds a read of the old value that starts later", () => {
    assert.deepEqual(rulesBroken([...writes, read(1, 115.1)]), ["bounded staleness"])
    assert.deepEqual(rulesBroken([...writes, read(1, 116, { tier: "l2" })]), ["bounded staleness"])
  })
  it("finds what was read although it was deleted", () => {
    assert.deepEqual(rulesBroken([write(1, 0, 5), write(2, 10, 15), read(1, 120)]), ["bounded staleness"])
  })
  it("allows nothing to be found at any time: a cache may lose entries", () => {
    assert.deepEqual(rulesBroken([...writes, read(0, 500, absent)]), [])
  })
  it("lets a write that failed happen at any time, or never", () => {
    const failed = write(3, 20, 25, { result: "failed" })
    assert.deepEqual(rulesBroken([...writes, failed, read(2, 500), read(3, 600)]), [])
    assert.deepEqual(rulesBroken([...writes, failed, read(3, 600), read(1, 700, { process: "q" })]), [
      "bounded staleness"
    ])
  })
  it("lets a write that was acknowledged win over those before it that failed", () => {
    const failed = write(1, 0, 5, { result: "failed" })
    assert.deepEqual(rulesBroken([failed, write(2, 10, 15), read(1, 120)]), ["bounded staleness"])
  })
  it("knows the order of writers of whom one began after the other was done", () => {
    const other = { version: { writer: "v", n: 1 } }
    assert.deepEqual(rulesBroken([write(7, 0, 5), write(1, 6, 10, other), read(7, 111)]), ["bounded staleness"])
    assert.deepEqual(rulesBroken([write(7, 0, 7), write(1, 6, 10, other), read(7, 111), read(1, 111, other)]), [])
  })
  it("judges by number a value whose write nobody reported, as of a writer that was killed", () => {
    assert.deepEqual(rulesBroken([write(2, 0, 5), read(3, 200)]), [])
    assert.deepEqual(rulesBroken([write(2, 0, 5), read(1, 200)]), ["bounded staleness"])
  })
  it("keeps keys apart", () => {
    assert.deepEqual(rulesBroken([...writes, read(1, 500, { key: "another" })]), [])
  })
})

describe("History, never backwards", () => {
  const writes = [write(1, 0, 5), write(2, 10, 15)]

  it("finds a hit that is older than an earlier read of the process", () => {
    assert.deepEqual(rulesBroken([...writes, read(2, 20), read(1, 30)]), ["never backwards"])
    assert.deepEqual(rulesBroken([...writes, read(2, 20, { tier: "l2" }), read(1, 30)]), ["never backwards"])
  })
  it("finds a hit that is older than an own write", () => {
    const own = { process: "reader" }
    assert.deepEqual(rulesBroken([write(1, 0, 5, own), write(2, 10, 15, own), read(1, 16)]), ["never backwards"])
  })
  it("allows reads at the same time in any order, another process, another key, and L2 to lose what it had", () => {
    assert.deepEqual(rulesBroken([...writes, read(2, 20, { end: 40 }), read(1, 30)]), [])
    assert.deepEqual(rulesBroken([...writes, read(2, 20), read(1, 30, { process: "another" })]), [])
    assert.deepEqual(rulesBroken([...writes, read(2, 20), read(1, 30, { key: "another" })]), [])
    assert.deepEqual(rulesBroken([...writes, read(2, 20), read(1, 30, { tier: "l2" })]), [])
  })
  it("knows the order of writers of whom one began after the other was done", () => {
    const other = { version: { writer: "v", n: 1 } }
    const both = [write(7, 0, 5), write(1, 6, 10, other)]
    assert.deepEqual(rulesBroken([...both, read(1, 20, other), read(7, 30)]), ["never backwards"])
    assert.deepEqual(rulesBroken([...both, read(7, 20), read(1, 30, other)]), [])
  })
})

describe("History, the rest", () => {
  const final = { process: "p", key: "k", tier: "l1", version: { writer: "w", n: 1 } } as const

  it("finds an L1 that differs from L2 when all is quiet", () => {
    assert.deepEqual(rulesBroken([], [{ ...final, fresh: { writer: "w", n: 1 } }]), [])
    assert.deepEqual(rulesBroken([], [{ ...final, fresh: { writer: "w", n: 2 } }]), ["converges"])
    assert.deepEqual(rulesBroken([], [{ ...final, fresh: { writer: "v", n: 1 } }]), ["converges"])
    assert.deepEqual(rulesBroken([], [{ ...final, fresh: undefined }]), ["converges"])
    assert.deepEqual(rulesBroken([], [{ ...final, tier: undefined, version: undefined, fresh: undefined }]), [])
  })
  it("finds an old value under a write that failed", () => {
    const old = [{ ...final, fresh: final.version }]
    const failed = write(2, 10, 15, { result: "failed" })
    assert.deepEqual(rulesBroken([write(1, 0, 5), failed], old), ["repeats deletes"])
    assert.deepEqual(rulesBroken([write(1, 0, 5), { ...failed, version: { writer: "v", n: 2 } }], old), [])
    assert.deepEqual(rulesBroken([write(1, 0, 5), failed], [{ ...final, version: undefined, fresh: undefined }]), [])
  })
  it("finds operations that settled late or never", () => {
    const failed = { result: "failed", version: undefined, tier: undefined } as const
    assert.deepEqual(rulesBroken([read(1, 0, { ...failed, settled: "late" })]), ["settles"])
    assert.deepEqual(rulesBroken([write(1, 0, Infinity, { result: "failed", settled: "never" })]), ["settles"])
  })
  it("leaves out what was lost, and what was read of it", () => {
    const operations = [write(1, 0, 5), write(2, 10, 15), read(2, 20), read(1, 500)]
    assert.deepEqual(rulesBroken(operations), ["bounded staleness", "never backwards"])
    const rest = History.without({ operations, finals: [] }, ({ version }) => version.n === 2)
    assert.deepEqual(rest.operations, [write(1, 0, 5), read(1, 500)])
    assert.deepEqual(rulesBroken(rest.operations), [])
    const absence = { operations: [read(0, 500, absent)], finals: [] }
    assert.deepEqual(
      History.without(absence, () => true),
      absence
    )
  })
  it("counts what a history is made of", () => {
    const history = History.merge([
      { operations: [write(1, 0, 5), write(2, 10, 15)], finals: [] },
      { operations: [read(1, 40), read(2, 50, { tier: "l2" })], finals: [] }
    ])
    assert.deepEqual(History.summarize(history), {
      reads: 2,
      l1Hits: 1,
      failedReads: 0,
      acknowledged: 2,
      failedWrites: 0,
      maxAgeMillis: 25
    })
  })
})
