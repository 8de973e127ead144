/**
 * A process with a cache of its own, which does what its parent orders: `node worker.ts name`, with a channel for messages.
 */
import { CacheBackend, type CacheError } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Duration, Effect, Fiber, Layer, ManagedRuntime, Schema } from "effect"
import * as Orders from "./Orders.ts"
import { Recorder } from "./Recorder.ts"
import * as SharedClock from "./SharedClock.ts"
import * as Workload from "./Workload.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const name = process.argv[2] ?? "worker"
const accidents: Array<string> = []
const onAccident = (kind: string) => (reason: unknown) => accidents.push(`${kind}: ${String(reason)}`)
process.on("unhandledRejection", onAccident("unhandled rejection"))
process.on("uncaughtException", onAccident("uncaught exception"))

const send = (message: Orders.FromWorker): void => {
  if (process.connected) process.send?.(message)
}

const cacheLayer = ({ busUrl, commandTimeoutMillis, stalenessMillis, url }: typeof Orders.Open.Type) =>
  TieredBackend.layer({ staleness: Duration.millis(stalenessMillis) }).pipe(
    Layer.provide(
      Layer.merge(
        RedisBackend.layer({ url, busUrl, commandTimeout: Duration.millis(commandTimeoutMillis) }),
        LruStore.layer()
      )
    )
  )

/** An open cache. */
const open = async (order: typeof Orders.Open.Type) => {
  const runtime = ManagedRuntime.make(cacheLayer(order))
  const backend = await runtime.runPromise(CacheBackend.CacheBackend)
  const recorder = new Recorder(name, backend, order.commandTimeoutMillis, (write) =>
    send({ _tag: "Acknowledged", write })
  )
  return { runtime, backend, recorder, loads: new Set<Fiber.Fiber<never, CacheError.CacheError>>() }
}

let opened: Awaited<ReturnType<typeof open>> | undefined

const carryOut = async (id: number, order: Orders.Order): Promise<Orders.Answer> => {
  if (order._tag === "Open") {
    opened = await open(order)
    return { _tag: "Done", id }
  }
  if (opened === undefined) throw new Error("there is no cache yet")
  const { backend, loads, recorder, runtime } = opened
  switch (order._tag) {
    case "Load":
      loads.add(runtime.runFork(Workload.run(recorder, order)))
      break
    case "Stop":
      await runtime.runPromise(Fiber.interruptAll(loads))
      loads.clear()
      await runtime.runPromise(recorder.quiet)
      break
    case "Script":
      await runtime.runPromise(runScript(recorder, order))
      break
    case "Block":
      await runtime.runPromise(block(recorder, order))
      break
    case "Settle":
      await runtime.runPromise(settle(backend))
      break
    case "Look":
      await runtime.runPromise(Effect.forEach(order.keys, (key) => recorder.look(key), { concurrency: 20 }))
      break
    case "Report":
      return { _tag: "Reported", id, report: { ...recorder.history(), stats: coherenceOf(backend), accidents } }
    case "Stats":
      return { _tag: "Counted", id, stats: coherenceOf(backend) }
    case "Close":
      await runtime.dispose()
  }
  return { _tag: "Done", id }
}

const runScript = (recorder: Recorder, { steps }: typeof Orders.Script.Type) =>
  Effect.forEach(
    steps,
    ({ at, operation }) =>
      Effect.suspend(() => Effect.delay(recorder.run(operation), Duration.millis(Math.max(0, at - SharedClock.now())))),
    { concurrency: "unbounded", discard: true }
  )

const block = (
  recorder: Recorder,
  { millis, reads }: { readonly millis: number; readonly reads: ReadonlyArray<string> }
) =>
  Effect.suspend(() => {
    const end = SharedClock.now() + millis
    while (SharedClock.now() < end) {
      // on purpose
    }
    for (const key of reads) recorder.peek(key)
    return Effect.forEach(reads, (key) => recorder.get(key), { concurrency: "unbounded", discard: true })
  })

/** Waits until L1 is read again, and no write is in doubt. */
const settle = (backend: Backend) =>
  Effect.repeat(
    Effect.delay(
      Effect.sync(() => coherenceOf(backend)),
      "10 millis"
    ),
    { until: ({ state, unacknowledged }) => state === "trusted" && unacknowledged === 0 }
  )

const coherenceOf = (backend: Backend): CacheBackend.CoherenceStats => {
  const { coherence } = backend.stats()
  if (coherence === undefined) throw new Error("this backend is not tiered")
  return coherence
}

const decode = Schema.decodeUnknownSync(Orders.ToWorker)

const onOrder = async (message: unknown): Promise<void> => {
  const { id, order } = decode(message)
  try {
    send(await carryOut(id, order))
    if (order._tag === "Close") process.disconnect()
  } catch (error) {
    send({ _tag: "Failed", id, message: String(error) })
  }
}

process.on("message", (message) => void onOrder(message))
// after `Close`, nothing must keep the process alive; before it, the parent is gone
process.on("disconnect", () => {
  if (opened?.backend.stats().coherence?.state !== "closed") process.exit(1)
})
send({ _tag: "Ready" })
