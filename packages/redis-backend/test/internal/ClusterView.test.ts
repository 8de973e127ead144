import { assert, describe, it } from "@effect/vitest"
import * as ClusterView from "../../src/internal/ClusterView.ts"

const line = (name: string, flags: string, epoch: number, ...slots: ReadonlyArray<string>) =>
  [`${name}0123`, `10.0.0.${name.codePointAt(0)}:6379@16379`, flags, "-", "0", "0", epoch, "connected", ...slots].join(
    " "
  )

const parse = (...lines: ReadonlyArray<string>) => ClusterView.parse(lines.join("\n"), "asked")

const ownersOf = ({ owners, primaries }: ClusterView.View, ...slots: ReadonlyArray<number>) =>
  slots.map((slot) => primaries[owners[slot] ?? -1]?.id[0])

describe("ClusterView.parse", () => {
  it("reads addresses of every form", () => {
    const hosts = [
      "10.0.0.1:7000@17000",
      "::1:7000@17000",
      ":7000@17000",
      "10.0.0.1:7000@17000,redis-1",
      ":7000@17000,redis-1"
    ]
    assert.deepStrictEqual(
      hosts.map((address) => ClusterView.parseLine(`id ${address} master - 0 0 1 connected`, "asked")?.host),
      ["10.0.0.1", "::1", "asked", "10.0.0.1", "redis-1"]
    )
    const named = ClusterView.parseLine("id 10.0.0.1:7000@17000,redis-1,shard-id=7 master - 0 0 1 connected", "asked")
    assert.deepStrictEqual([named?.host, named?.port, named?.hostname], ["10.0.0.1", 7000, "redis-1"])
    assert.strictEqual(ClusterView.parseLine("id 10.0.0.1:7000 master - 0 0 1 connected", "asked")?.port, 7000)
  })
  it("reads slots, and which of them move", () => {
    const [member] = parse(line("a", "myself,master", 3, "0-99", "7777", "[93->-b0123]", "[200-<-c0123]"))
    assert.deepStrictEqual(member?.slots, [
      [0, 99],
      [7777, 7777]
    ])
    assert.deepStrictEqual(member?.partners, ["b0123", "c0123"])
    assert.deepStrictEqual(member?.moving, [93, 200])
    assert.isTrue(member?.isSelf)
    assert.strictEqual(member?.epoch, 3)
  })
  it("leaves out who is not met yet, and what it does not understand", () => {
    assert.deepStrictEqual(
      parse(line("a", "handshake", 0), line("b", "master,noaddr", 0), "", "vars currentEpoch 6"),
      []
    )
  })
})

describe("ClusterView.merge", () => {
  it("takes the word of each node about itself", () => {
    const view = ClusterView.merge([
      parse(line("a", "myself,master", 1, "0-99"), line("b", "master", 2, "100-199")),
      parse(line("a", "master", 1, "0-49"), line("b", "myself,master", 2, "50-199"))
    ])
    assert.deepStrictEqual(ownersOf(view, 0, 75, 199, 200), ["a", "b", "b", undefined])
  })
  it("believes the higher epoch where two claim a slot", () => {
    const stale = parse(line("a", "myself,master", 1, "0-99"), line("b", "slave", 1))
    const promoted = parse(line("a", "slave", 1), line("b", "myself,master", 7, "0-99"))
    for (const answers of [
      [stale, promoted],
      [promoted, stale]
    ]) {
      assert.deepStrictEqual(ownersOf(ClusterView.merge(answers), 0, 99), ["b", "b"])
    }
  })
  it("fills the gap of a slot that moved between two answers", () => {
    const view = ClusterView.merge([
      parse(line("a", "myself,master", 1, "0-98"), line("b", "master", 2, "99-199")),
      parse(line("a", "master", 1, "0-99"), line("b", "myself,master", 2, "100-199"))
    ])
    assert.deepStrictEqual(ownersOf(view, 98, 99, 100), ["a", "b", "b"])
  })
  it("keeps a dead primary until somebody has its slots, and one without slots", () => {
    const dead = line("a", "master,fail", 1, "0-99")
    const before = ClusterView.merge([parse(dead, line("b", "myself,master", 2, "100-199"), line("c", "master", 3))])
    assert.deepStrictEqual(
      before.primaries.map(({ id }) => id[0]),
      ["a", "b", "c"]
    )
    const after = ClusterView.merge([parse(line("a", "master,fail", 1), line("b", "myself,master", 4, "0-199"))])
    assert.deepStrictEqual(
      after.primaries.map(({ id }) => id[0]),
      ["b"]
    )
  })
})

describe("ClusterView.isCovered", () => {
  const self = (name: string, ...slots: ReadonlyArray<string>) => parse(line(name, "myself,master", 1, ...slots))
  const view = ClusterView.merge([self("a", "0-99"), self("b", "100-199")])

  it("holds while all slots are owned by members", () => {
    assert.isTrue(ClusterView.isCovered(view, [self("a", "0-99"), self("b", "100-199")].flat()))
    // one has moved since
    assert.isTrue(ClusterView.isCovered(view, [self("a", "0-98"), self("b", "99-199")].flat()))
    // and nobody had others
    assert.isTrue(ClusterView.isCovered(view, [self("a", "0-99", "300"), self("b", "100-199")].flat()))
  })
  it("does not if a slot has left them, or one of them is no primary", () => {
    assert.isFalse(ClusterView.isCovered(view, [self("a", "0-98"), self("b", "100-199")].flat()))
    assert.isFalse(ClusterView.isCovered(view, self("a", "0-99")))
    const replica = parse(line("b", "myself,slave", 1))
    assert.isFalse(ClusterView.isCovered(view, [...self("a", "0-199"), ...replica]))
  })
  it("does not while slots move to or from somebody else", () => {
    const moving = (to: string) => [...self("a", "0-99", `[5->-${to}0123]`), ...self("b", "100-199")]
    assert.isTrue(ClusterView.isCovered(view, moving("b")))
    assert.isFalse(ClusterView.isCovered(view, moving("c")))
  })
})
