/**
 * Fills the L1 of one rival, and prints how many bytes of heap an entry takes:
 * `node --expose-gc workers/heap.ts <rival> <redis url> <entries>`.
 */
import { setTimeout } from "node:timers/promises"
import { inBatches } from "../inBatches.ts"
import { quoteOf } from "../quotes.ts"
import { rivalNamed } from "../rivals/index.ts"

const [, , name = "", redisUrl = "", entries = ""] = process.argv
const { open } = rivalNamed(name)
const keys = Array.from({ length: Number(entries) }, (_, index) => `SYM${index}`)

const settledHeap = async () => {
  for (let times = 0; times < 5; times++) {
    globalThis.gc?.()
    await setTimeout(50)
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

// what loading and compiling take is no entry's; what a cache has when it is empty counts
const first = await open({ redisUrl, l1: true })
await inBatches(keys.slice(0, 200), (key) => first.set(key, quoteOf(key)))
await inBatches(keys.slice(0, 200), first.get)
await first.close()
const before = await settledHeap()
const cache = await open({ redisUrl, l1: true })
await inBatches(keys, (key) => cache.set(key, quoteOf(key)))
// some keep only what they have read
await inBatches(keys, cache.get)
const after = await settledHeap()
console.log(Math.round((after - before) / keys.length))
process.exit(0)
