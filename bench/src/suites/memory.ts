/**
 * What an entry takes: of the heap in L1, and in Redis.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { DateTime } from "effect"
import { Redis } from "ioredis"
import { pack } from "msgpackr"
import { inBatches } from "../inBatches.ts"
import { quoteOf } from "../quotes.ts"
import { onRedis, rivals } from "../rivals/index.ts"
import { lruCacheOfCopies } from "../rivals/lruCache.ts"
import { TTL } from "../rivals/Rival.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const HEAP = fileURLToPath(new URL("../workers/heap.ts", import.meta.url))

export const memory: Suite = {
  name: "memory",
  title: "Memory of an entry",
  run: async (context) => [...(await inL1(context)), ...(await inRedis(context))]
}

const inL1 = async ({ isFull, progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const entries = isFull ? 100_000 : 20_000
  const measurements: Array<Measurement> = []
  for (const { name } of [...rivals.filter(({ tiers }) => tiers !== "L2"), lruCacheOfCopies]) {
    progress(`fills ${name} with ${entries}`)
    const args = ["--expose-gc", HEAP, name, await servers.emptied(name), String(entries)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    measurements.push({ name, workload: "of the heap", value: Number(stdout), unit: "bytes" })
  }
  return measurements
}

const ENTRIES = 1000
const symbols = Array.from({ length: ENTRIES }, (_, index) => `SYM${index + 1000}`)

/** As Redis counts them, key and TTL included; of all keys that are there, whatever they are for. */
const inRedis = async ({ progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const workload = "of Redis"
  const measurements: Array<Measurement> = []
  let ours: ReadonlyArray<string> = []
  for (const { name, open } of onRedis) {
    progress(`writes ${ENTRIES} entries of ${name}`)
    const redisUrl = await servers.emptied(name)
    const cache = await open({ redisUrl, l1: false })
    await inBatches(symbols, (symbol) => cache.set(symbol, quoteOf(symbol)))
    const redis = new Redis(redisUrl)
    const keys = await redis.keys("*")
    if (name === "tiercache") ours = keys
    measurements.push({ name, workload, value: await bytesOf(redis, keys), unit: "bytes" })
    redis.disconnect()
    await cache.close()
  }
  const redis = new Redis(await servers.emptied("bare MessagePack"))
  // under the same keys as ours, so that values are compared
  await inBatches(ours, (key) => redis.set(key, packed(key.slice(key.lastIndexOf(":") + 1)), "PX", TTL))
  measurements.push({ name: "bare MessagePack", workload, value: await bytesOf(redis, ours), unit: "bytes" })
  redis.disconnect()
  return measurements
}

const packed = (symbol: string): Buffer => {
  const quote = quoteOf(symbol)
  return pack({ ...quote, timestamp: DateTime.formatIso(quote.timestamp) })
}

const bytesOf = async (redis: Redis, keys: ReadonlyArray<string>): Promise<number> => {
  const usages = await Promise.all(keys.map((key) => redis.memory("USAGE", key)))
  return usages.reduce<number>((sum, usage) => sum + Number(usage), 0) / ENTRIES
}
