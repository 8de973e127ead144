/**
 * A process with a cache of its own, which does what its parent orders: `node worker.ts name`, with a channel for messages.
 */
import { Cache, CacheBackend } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Duration, Effect, Fiber, Layer, ManagedRuntime, Schema } from "effect"
import { Fetcher } from "./Fetcher.ts"
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

const questions = new Map<number, (version: number | undefined) => void>()
let lastQuestion = 0

/** The test has what the loaders of this process load. */
const ask = (to: (typeof Orders.Asked.Type)["to"]) => (key: string) =>
  Effect.callback<number | undefined>((resume) => {
    const question = ++lastQuestion
    questions.set(question, (version) => resume(Effect.succeed(version)))
    send({ _tag: "Asked", question, key, to })
    return Effect.sync(() => questions.delete(question))
  })

const redisLayer = ({ commandTimeoutMillis, leaseMillis, redis }: typeof Orders.Open.Type) =>
  Layer.effectContext(
    // a machine that is busy is not to look like an outage of Redis for longer than it is slow
    Effect.map(
      RedisBackend.make({ ...redis, commandTimeout: Duration.millis(commandTimeoutMillis), circuitBreaker: false }),
      (context) =>
        leaseMillis === undefined
          ? context
          : Context.add(
              context,
              CacheBackend.CacheBackend,
              withLeasesOf(leaseMillis, Context.get(context, CacheBackend.CacheBackend))
            )
    )
  )

const withLeasesOf = (millis: number, backend: Backend): Backend => ({
  ...backend,
  leases: {
    ...backend.leases,
    take: (keys, codec, options) => backend.leases.take(keys, codec, { ...options, millis })
  }
})

const cacheLayer = (order: typeof Orders.Open.Type, onAge: (millis: number) => void) =>
  // listens after the cache, so that the cache has heard what is told here
  Layer.effectDiscard(listen(onAge)).pipe(
    Layer.provideMerge(Cache.layer({ prefix: Orders.PREFIX })),
    Layer.provideMerge(TieredBackend.layer({ staleness: Duration.millis(order.stalenessMillis) })),
    Layer.provide(Layer.merge(redisLayer(order), LruStore.layer()))
  )

/** Tells how old announcements are when they are heard. */
const listen = (onAge: (millis: number) => void) =>
  CacheBackend.CacheBackend.use((backend) =>
    backend.listen({
      onMessage: ({ ageMillis = 0 }) => onAge(ageMillis),
      onConnected: () => {},
      onDisconnected: () => {}
    })
  )

/** An open cache. */
const open = async (order: typeof Orders.Open.Type) => {
  const hearing = { mostMillis: 0 }
  const onAge = (millis: number) => {
    hearing.mostMillis = Math.max(hearing.mostMillis, millis)
  }
  const runtime = ManagedRuntime.make(cacheLayer(order, onAge))
  const backend = await runtime.runPromise(CacheBackend.CacheBackend)
  const fetcher = new Fetcher(name, await runtime.runPromise(Cache.Cache), { read: ask("read"), write: ask("write") })
  const recorder = new Recorder(name, backend, order.commandTimeoutMillis, (write) =>
    send({ _tag: "Acknowledged", write })
  )
  return { runtime, backend, fetcher, recorder, hearing, loads: new Set<Fiber.Fiber<never, unknown>>() }
}

let opened: Awaited<ReturnType<typeof open>> | undefined

const carryOut = async (id: number, order: Orders.Order): Promise<Orders.Answer> => {
  if (order._tag === "Open") {
    opened = await open(order)
    return { _tag: "Done", id }
  }
  if (opened === undefined) throw new Error("there is no cache yet")
  const { backend, fetcher, loads, recorder, runtime } = opened
  switch (order._tag) {
    case "Load":
      loads.add(runtime.runFork(Workload.run(recorder, order)))
      break
    case "Traffic":
      loads.add(runtime.runFork(fetcher.run(order)))
      break
    case "Stop":
      await runtime.runPromise(Fiber.interruptAll(loads))
      loads.clear()
      await runtime.runPromise(Effect.andThen(recorder.quiet, fetcher.quiet))
      break
    case "Fetch":
      return { _tag: "Fetched", id, fetches: await runtime.runPromise(fetcher.fetchMany(order)) }
    case "Change":
      await runtime.runPromise(fetcher.change(order.key, order.by))
      break
    case "Inspect":
      return { _tag: "Inspected", id, held: await runtime.runPromise(fetcher.inspect(order.key)) }
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
      return { _tag: "Reported", id, report: reportOf(opened) }
    case "Stats":
      return { _tag: "Counted", id, stats: coherenceOf(backend) }
    case "Close":
      await runtime.dispose()
      return { _tag: "Closed", id, accidents }
  }
  return { _tag: "Done", id }
}

const reportOf = ({ backend, fetcher, hearing, recorder }: NonNullable<typeof opened>): Orders.Report => ({
  ...recorder.history(),
  fetches: fetcher.fetches,
  changes: fetcher.changes,
  hearingMillis: hearing.mostMillis,
  stats: coherenceOf(backend)
})

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
  const decoded = decode(message)
  if (decoded._tag === "Told") {
    questions.get(decoded.question)?.(decoded.version)
    questions.delete(decoded.question)
    return
  }
  const { id, order } = decoded
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
