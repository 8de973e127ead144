/**
 * A process with locks, which does what its parent orders: `node worker.ts`, with a channel for messages.
 */
import { Codec } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Duration, Effect, Exit, Scope } from "effect"
import * as Orders from "./Orders.ts"
import { type Process, processOver } from "./Services.ts"
import { Schema } from "effect"

const send = (news: Orders.News): void => {
  if (process.connected) process.send?.(news)
}

const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** What the sections write. */
const GUARDED = "guarded"

const scope = Effect.runSync(Scope.make())
let services: Process | undefined

const opened = (): Process => {
  if (services === undefined) throw new Error("there are no locks yet")
  return services
}

const hold = ({ lock, manner, ttlMillis }: typeof Orders.Hold.Type) => {
  const { fenced, lock: locks } = opened()
  return locks.withLock(lock, { ttl: Duration.millis(ttlMillis), wait: "forever" })((held) => {
    const { fence } = held
    const write = Effect.gen(function* () {
      if (manner === "careful") yield* held.ensure
      const at = now()
      const written = yield* Effect.result(fenced.set(GUARDED, Codec.msgpack, fence, { fence, ttl: "1 hour" }))
      const outcome = written._tag === "Success" ? "ok" : written.failure._tag
      send({ _tag: "Wrote", fence, outcome, at })
      yield* Effect.sleep("5 millis")
      return outcome
    })
    send({ _tag: "Entered", fence, at: now() })
    return manner === "deaf"
      ? Effect.uninterruptible(Effect.repeat(write, { until: (outcome) => outcome === "StaleFence" }))
      : Effect.forever(write)
  })
}

const contend = ({ fibers, lock, mostMillis, rounds, ttlMillis }: typeof Orders.Contend.Type) => {
  const section = opened().lock.withLock(lock, { ttl: Duration.millis(ttlMillis), wait: "forever" })((held) =>
    Effect.gen(function* () {
      const { fence } = held
      send({ _tag: "Entered", fence, at: now() })
      yield* Effect.sleep(Math.random() * mostMillis)
      const at = now()
      yield* held.ensure
      send({ _tag: "Left", fence, at })
    })
  )
  // who loses its lock, on a busy machine, goes on with the next round
  const round = Effect.catchTag(section, "LockLost", () => Effect.void)
  return Effect.all(
    Array.from({ length: fibers }, () => Effect.repeat(round, { times: rounds - 1 })),
    { concurrency: "unbounded", discard: true }
  )
}

const block = (millis: number) =>
  Effect.sync(() => {
    const end = now() + millis
    while (now() < end) {
      // on purpose
    }
  })

const carryOut = (order: Orders.Order): Effect.Effect<void, unknown> => {
  switch (order._tag) {
    case "Open":
      return Effect.map(Scope.provide(processOver(RedisBackend.layer({ url: order.url })), scope), (process) => {
        services = process
        send({ _tag: "Opened" })
      })
    case "Hold":
      return hold(order)
    case "Contend":
      return contend(order)
    case "Block":
      return block(order.millis)
  }
}

const nameOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

const onOrder = async (order: Orders.Order): Promise<void> => {
  const exit = await Effect.runPromiseExit(Effect.mapError(carryOut(order), nameOf))
  const outcome = Exit.isSuccess(exit) ? "ok" : Exit.findErrorOption(exit)
  send({
    _tag: "Ended",
    order: order._tag,
    outcome: typeof outcome === "string" ? outcome : outcomeOf(outcome),
    at: now()
  })
}

const outcomeOf = (error: { readonly _tag: string; readonly value?: string }): string => error.value ?? "defect"

const decode = Schema.decodeUnknownSync(Orders.Order)
process.on("message", (message) => void onOrder(decode(message)))
process.on("disconnect", () => process.exit(0))
send({ _tag: "Ready" })
