/**
 * Reads whose reply from Redis is under way while somebody else writes: the reply brings the old value, and is older than the message
 * about the new one. Who then keeps it in L1 serves it until its TTL ends.
 *
 * Replies to reads are held back here, by a proxy between the reader and its Redis; messages of the bus are not. Once such reads have
 * been executed, another cache writes their keys. When its messages have arrived, the replies are let through. Long after that the
 * reader is asked again.
 */
import { setTimeout } from "node:timers/promises"
import { TcpProxy } from "@tiercache/core/testing"
import { Effect, Exit, Scope } from "effect"
import { quoteOf } from "../quotes.ts"
import { tiered } from "../rivals/index.ts"
import type { Opened, Rival, Value } from "../rivals/Rival.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const READS = 100
const ATTEMPTS = 5
/** In which a message arrives, and a server that has executed all reads says no more. Less than a reader waits for its reply. */
const QUIET_MILLIS = 40
/** Longer than the bound that we promise, and than any message takes. */
const SETTLED_MILLIS = 1500

/** A connection that reads; the one that a bus listens on is not held back. */
const READ_COMMAND = /\$\d+\r\n(get|mget|eval|evalsha)\r\n/i

export const staleReads: Suite = {
  name: "stale-reads",
  title: "Old values that stay in L1 after a write",
  run: async (context) => {
    // they wait most of the time
    const found = await Promise.all(tiered.filter(({ hasBus }) => hasBus).map((rival) => oneRival(rival, context)))
    return found.flat()
  }
}

type Read = (keys: ReadonlyArray<string>) => Promise<unknown>

const WAYS = ["get", "getOrLoad", "getMany"] as const

type Way = (typeof WAYS)[number]

/** `undefined` if a cache has no such way. */
const readerOf = ({ get, getMany, getOrLoad }: Opened, how: Way): Read | undefined => {
  if (how === "getMany") return getMany
  const one = how === "get" ? get : getOrLoad && ((key: string) => getOrLoad(key, noLoad))
  return one && ((keys) => Promise.allSettled(keys.map(one)))
}

const noLoad = () => Promise.reject(new Error("Redis has it"))

const oneRival = async (rival: Rival, { progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const redisUrl = await servers.emptied(rival.name)
  const scope = Scope.makeUnsafe()
  const proxy = await Effect.runPromise(
    TcpProxy.make({
      target: { port: Number(new URL(redisUrl).port) },
      only: (sent) => READ_COMMAND.test(sent.toString("latin1"))
    }).pipe(Scope.provide(scope))
  )
  const writer = await rival.open({ redisUrl, l1: true })
  const measurements: Array<Measurement> = []
  for (const how of WAYS) {
    try {
      const value = await staleOf({ rival, how, writer, proxy })
      if (value === undefined) continue
      measurements.push({ name: rival.name, workload: `of ${READS} by ${how}`, value, unit: "stale reads" })
    } catch (error) {
      progress(`${rival.name}: ${String(error)}`)
    }
  }
  await writer.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return measurements
}

interface Trial {
  readonly rival: Rival
  readonly how: Way
  readonly writer: Opened
  readonly proxy: TcpProxy.TcpProxy
}

/** `undefined` if it cannot read like that. */
const staleOf = async (trial: Trial): Promise<number | undefined> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const keys = Array.from({ length: READS }, (_, index) => `STALE.${trial.how}.${attempt}.${index}`)
    // one that has never heard of these keys
    await Promise.all(keys.map((key) => trial.writer.set(key, priced(key, 1))))
    const reader = await trial.rival.open({ redisUrl: `redis://${trial.proxy.address}`, l1: true })
    try {
      const read = readerOf(reader, trial.how)
      if (read === undefined) return undefined
      if (await overtake(trial, keys, reader, read)) {
        await setTimeout(SETTLED_MILLIS)
        const found = await Promise.all(keys.map(reader.get))
        return found.filter((value) => value?.last !== 2).length
      }
    } finally {
      await reader.close()
    }
  }
  throw new Error(`${trial.how} did not wait for Redis`)
}

/** Whether writes were done while reads were under way, which a reader with a deadline may have given up before. */
const overtake = async ({ proxy, writer }: Trial, keys: ReadonlyArray<string>, reader: Opened, read: Read) => {
  let isOver = false
  // some connect at their first command
  await reader.get("another")
  await Effect.runPromise(proxy.stall("toClient"))
  const before = proxy.bytes("toClient")
  const reads = read(keys).finally(() => (isOver = true))
  await quiet(() => proxy.bytes("toClient"), before)
  await Promise.all(keys.map((key) => writer.set(key, priced(key, 2))))
  await setTimeout(QUIET_MILLIS)
  const isOvertaken = !isOver
  await Effect.runPromise(proxy.pass("toClient"))
  await reads
  return isOvertaken
}

/** Waits until something has been sent, and nothing more comes. */
const quiet = async (bytes: () => number, before: number): Promise<void> => {
  for (let [last, now] = [before, bytes()]; now === before || now !== last; [last, now] = [now, bytes()]) {
    await setTimeout(QUIET_MILLIS)
  }
}

const priced = (key: string, last: number): Value => ({ ...quoteOf(key), last })
