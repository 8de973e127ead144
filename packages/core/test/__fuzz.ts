import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import { Codec, CacheError, Snapshot } from "@tiercache/core"
import { Schema } from "effect"
import { storable } from "./arbitraries.ts"
const N = Number(process.argv[2] ?? 20000)
const Q = Schema.Struct({ symbol: Schema.String, bid: Schema.Number, note: Schema.optional(Schema.Unknown), tags: Schema.Array(Schema.String) })
const q = { symbol: "AAPL", bid: 1.5, note: { deep: [1, { a: -0 }] }, tags: ["x", "é".repeat(70)] }
const codecs: Array<[string, Codec.Codec<any>, any]> = [["msgpack", Codec.msgpack, { a: [1, { b: new Date(5) }], c: "x".repeat(90) }], ["schema", Codec.schema(Q), q], ["json", Codec.json, { a: [1, -0] }], ["schemaJson", Codec.schemaJson(Q), { ...q }], ["schemaArr", Codec.schema(Schema.Array(Q)), [q, q]]]
let seed = Number(process.argv[3] ?? 1)
const rnd = () => { seed = (seed + 0x6d2b79f5) | 0; let t = Math.imul(seed ^ (seed >>> 15), 1 | seed); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296 }
const values = fc.sample(storable, { numRuns: 300, seed: 5 }).filter((v) => v !== undefined)
const stats: Record<string, number> = {}
let slow = 0
for (let i = 0; i < N; i++) {
  for (const [name, codec, good] of codecs) {
    const goodBytes = codec.encode(good, "k")
    const base = name === "msgpack" ? codec.encode(values[i % values.length], "k") : goodBytes
    let bytes = Buffer.from(base)
    const mode = i % 5
    if (mode === 0) { bytes = Buffer.from(Array.from({ length: 1 + Math.floor(rnd() * 60) }, () => Math.floor(rnd() * 256))) }
    else if (mode === 1) bytes = bytes.subarray(0, Math.floor(rnd() * bytes.length))
    else if (mode === 2) for (let n = 0; n < 1 + rnd() * 4; n++) bytes[Math.floor(rnd() * bytes.length)] ^= 1 << Math.floor(rnd() * 8)
    else if (mode === 3) { for (let n = 0; n < 1 + rnd() * 3; n++) bytes[Math.floor(rnd() * bytes.length)] = [0xc1, 0xd4, 0x72, 0x40, 0x62, 0x69, 0x70, 0xd5, 0xd6, 0xdd, 0xdf, 0xc9, 0xdb, 0xff, 0x9f, 0x65, 0x78, 0x73, 0x42][Math.floor(rnd() * 19)] }
    else { const at = Math.floor(rnd() * bytes.length); bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x78, 1]), bytes.subarray(at)]) }
    if (name.startsWith("schema") && name !== "schemaJson" && rnd() < 0.7) goodBytes.subarray(0, 4).forEach((b, j) => { if (j < bytes.length) bytes[j] = b })
    const t = performance.now()
    let out
    try { const v = codec.decode(bytes, "k"); out = "value"; if (v === undefined) throw new Error("undef")
      try { Snapshot.own(codec, v, "k"); out = "value+snap" } catch (e: any) { if (!CacheError.isCacheError(e) || e.reason !== "Decode") throw e; out = "snap decode" } }
    catch (e: any) { if (!CacheError.isCacheError(e) || e.reason !== "Decode") { console.log("BAD", name, bytes.toString("hex"), e); process.exit(1) } out = e.message.slice(0, 80) }
    const dt = performance.now() - t
    if (dt > 50) { slow++; console.log("slow", name, dt, bytes.toString("hex").slice(0, 200)) }
    const k = name + ": " + out; stats[k] = (stats[k] ?? 0) + 1
    if (!isDeepStrictEqual(codec.decode(goodBytes, "k"), good)) { console.log("POISON", name, bytes.toString("hex")); process.exit(1) }
    if (({} as any).polluted !== undefined || Object.keys(Object.prototype).length) { console.log("POLLUTED"); process.exit(1) }
  }
}
console.log(Object.entries(stats).sort((a, b) => b[1] - a[1]).slice(0, 60).map(([k, v]) => v + ' ' + k).join('\n'), slow)
