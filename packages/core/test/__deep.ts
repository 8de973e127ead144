import { Codec, CacheError, Snapshot } from "@tiercache/core"
const t = (name: string, b: Uint8Array, codec: Codec.Codec<any> = Codec.msgpack) => { const s = performance.now(); let r; try { const v = codec.decode(b, "k"); r = "value"; try { Snapshot.own(codec, v, "k"); r += " own" } catch (e: any) { r += CacheError.isCacheError(e) ? e.message : "RAW " + e.message } } catch (e: any) { r = CacheError.isCacheError(e) ? e.message : "RAW " + e }
  console.log(name, r, Math.round(performance.now() - s)) }
const rep = (unit: number[], n: number, head: number[] = [], tail: number[] = []) => Buffer.concat([Buffer.from(head), Buffer.alloc(unit.length * n, Buffer.from(unit)), Buffer.from(tail)])
const str = [0xd9, 200, ...Buffer.alloc(200, "é")]
for (const n of [200, 3000, 7000, 100000, 5_000_000]) {
  t("arrays " + n, rep([0x91], n, [], [0xc0]))
  t("str+arrays " + n, rep([0x91], n, [0x92, ...str], [0xc0]))
  t("maps " + n, rep([0x81, 0xa1, 97], n, [], [0xc0]))
  t("str+maps " + n, rep([0x81, 0xa1, 97], n, [0x92, ...str], [0xc0]))
  t("sets " + n, rep([0xd4, 0x73, 0, 0x91], n, [0x92, ...str], [0xc0]))
  t("records " + n, rep([0xd4, 0x72, 0x40, 0x91, 0xa1, 97], n, [0x92, ...str], [0xc0]))
  t("keys nest " + n, rep([0xd4, 0x72, 0x40], n, [0x92, ...str], [0xc0]))
  t("bundles " + n, rep([0xd6, 0x62, 0, 0, 0, 20], n, [0x92, ...str], [0xc0]))
  t("json " + n, Buffer.from("[".repeat(n) + "]".repeat(n)), Codec.json)
}
t("arr32 huge", Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]))
t("map32 huge", Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]))
t("str32 huge", Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]))
t("bin32 huge", Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]))
t("ext32 huge", Buffer.from([0xc9, 0xff, 0xff, 0xff, 0xff, 0x74, 2, 3]))
t("bundle neg", Buffer.from([0xd6, 0x62, 0xff, 0xff, 0xff, 0xff, 0xc1, 5]))
t("bundle neg2", Buffer.from([0xd6, 0x62, 0x80, 0, 0, 0, 0xc1, 5]))
t("bundle self", Buffer.from([0xd6, 0x62, 0, 0, 0, 4, 0xc1, 5, 0xa1, 97, 0xa1, 98]))
t("empty", Buffer.alloc(0))
t("fixarr bomb", rep([0x9f], 100000))
t("arr16 bomb", rep([0xdc, 0xff, 0xff], 30000))
t("arr32 nest", rep([0xdd, 0, 0, 0x80, 0], 30000))
t("cyc", Buffer.from([0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1]))
t("regex redos", Buffer.from([0xd4, 0x78, 0, 0x92, 0xa1, 97, 0xa1, 103]))
