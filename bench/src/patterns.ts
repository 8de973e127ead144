/**
 * What going through a million keys costs, and what other clients of the same Redis feel of it:
 * `REDIS_URL=... pnpm --filter @tiercache/bench patterns`. It writes, and deletes, the keys `bench:*` of that Redis. KEYS=n for another
 * number of keys.
 */
import { spawn } from "node:child_process"
import { createCache } from "tiercache"

const url = process.env["REDIS_URL"]
if (url === undefined) throw new Error("REDIS_URL is missing: the bench writes to that Redis, and deletes there")
const count = Number(process.env["KEYS"] ?? 1_000_000)

/**
 * Another client, in a process of its own, that asks for a key again and again; its latencies in ms. In ours it would measure how
 * busy we are.
 */
const PROBE = `
import { createCache } from "tiercache"
const cache = await createCache({ backend: "redis", prefix: "probe", redis: { url: process.env.REDIS_URL, commandTimeout: "30 seconds" } })
const millis = []
process.on("message", async () => { process.send(millis); await cache.close(); process.disconnect() })
process.send("ready")
while (process.connected) {
  const start = performance.now()
  await cache.get("a").catch(() => {})
  millis.push(performance.now() - start)
  await new Promise((resolve) => setTimeout(resolve, 1))
}
`

const percentile = (values: ReadonlyArray<number>, part: number): string =>
  (values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN).toFixed(2)

/** Runs something, and what the other client felt meanwhile. */
const measured = async (name: string, run: () => Promise<number>) => {
  const stdio = ["ignore", "inherit", "inherit", "ipc"] as const
  const probe = spawn(process.execPath, ["--input-type=module", "-e", PROBE], { stdio: [...stdio] })
  const next = () => new Promise<unknown>((resolve) => probe.once("message", resolve))
  await next()
  // its first reads compile what it runs
  await new Promise((resolve) => setTimeout(resolve, 500))
  const start = performance.now()
  const keys = await run()
  const seconds = (performance.now() - start) / 1000
  const told = next()
  probe.send("stop")
  const answer = await told
  const millis = (Array.isArray(answer) ? answer.map(Number) : []).slice(100).toSorted((a, b) => a - b)
  return {
    what: name,
    keys,
    seconds: seconds.toFixed(1),
    "reads of another": millis.length,
    "p50 ms": percentile(millis, 0.5),
    "p99 ms": percentile(millis, 0.99),
    "worst ms": percentile(millis, 1)
  }
}

await using cache = await createCache({
  backend: "redis",
  prefix: "bench",
  redis: { url, commandTimeout: "30 seconds" }
})

const fill = async () => {
  const size = 5000
  for (let start = 0; start < count; start += size) {
    const entries = Array.from({ length: Math.min(size, count - start) }, (_, index) => {
      const id = start + index
      return [`quote:${id % 2 === 0 ? "even" : "odd"}:${id}`, { bid: id, ask: id + 1 }] as const
    })
    await cache.setMany(entries, { ttl: "1 hour" })
  }
}

const list = async (pattern: string) => {
  let found = 0
  for await (const _ of cache.keys(pattern)) found++
  return found
}

await cache.deletePattern("*")
await fill()
const idle = () => new Promise<number>((resolve) => setTimeout(() => resolve(0), 3000))
const rows = [
  await measured("nothing, 3 s", idle),
  await measured('keys("*")', () => list("*")),
  await measured('keys("nothing:*")', () => list("nothing:*")),
  await measured("maintain({ dryRun })", async () => (await cache.maintain({ dryRun: true })).orphans),
  await measured("deletePattern of half", () => cache.deletePattern("quote:even:*")),
  await measured("deletePattern of the rest", () => cache.deletePattern(["quote:odd:*", "quote:*:7", "other:*"]))
]
console.table(rows)
