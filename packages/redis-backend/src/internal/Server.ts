/**
 * One server that takes commands: the connection to it, and its clock.
 */
import type { CacheError, MonotonicClock } from "@tiercache/core"
import { Deferred, Effect, type Scope } from "effect"
import type { Redis } from "ioredis"
import * as RedisClock from "../RedisClock.ts"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import { Gate, type Status } from "./Gate.ts"
import { Joint, type Kind, type Part } from "./Joint.ts"
import type { Plan } from "./plans.ts"
import * as Primary from "./primary.ts"
import * as redirection from "./redirection.ts"
import * as redisError from "./redisError.ts"
import * as Sentinels from "./sentinels.ts"
import { Watchdog } from "./Watchdog.ts"

/**
 * Sends one command, or several at the same time, to a server whose clock counts for what is in them. With `asking`, the slot is just being
 * moved to it.
 */
export type Send<A> = (client: Redis, server: Server, asking?: boolean) => Promise<A>

export interface Server {
  /** `host:port`, for messages. */
  readonly endpoint: string
  /** Where what is written on it is announced. */
  readonly channel: string
  readonly clock: RedisClock.RedisClock
  readonly status: () => Status
  /** `off` if there is none. */
  readonly breakerState: () => CircuitBreaker.State | "off"
  /** Why there is no connection, as far as it is known. */
  readonly problem: () => string | undefined
  /** Settles within the command time-out. What is joined is sent by a `Joint` of the server, and nothing else is. */
  readonly command: <A>(operation: string, send: Send<A>, isJoined?: boolean) => Effect.Effect<A, CacheError.CacheError>
  /** As `command`, for who can go elsewhere. With `asking`, also for slots that are being moved to the server. */
  readonly attempt: <A>(
    operation: string,
    send: Send<A>,
    asking?: boolean,
    isJoined?: boolean
  ) => Effect.Effect<A, CacheError.CacheError | redirection.Redirection>
  /** Where commands of a kind come together. */
  readonly jointOf: <Item extends Part, Reply>(kind: Kind<Item, Reply>) => Joint<Item, Reply>
  /** Waits until a first attempt to connect has ended, well or not. */
  readonly attempted: Effect.Effect<void>
  /** Another connection to it, for the bus, open until the scope closes. */
  readonly makeBusClient: Effect.Effect<Redis, never, Scope.Scope>
  /** Fails if a connection leads to another server. */
  readonly verify: (client: Redis) => Promise<void>
  /** Called when a new connection has led to a server that may lack what the one before it had. */
  readonly onReplaced: (listener: () => void) => void
  /** How often that has happened. What one server says of itself means nothing to the next. */
  readonly replacements: () => number
}

export interface Options {
  readonly now: MonotonicClock.Now
  /** See `RedisBackend.Options`. */
  readonly time: (() => number) | undefined
  readonly channel: string
  /** None if the commands are to wait for their time-outs. */
  readonly breaker: CircuitBreaker.Settings | undefined
  /** See `Server`; called for each new connection. */
  readonly verify?: ((client: Redis) => Promise<void>) | undefined
  /** Called when a connection for commands is lost. */
  readonly onClosed?: (() => void) | undefined
}

/** Opens the connection, for as long as the scope is open. Does not wait for it. */
export const make = Effect.fnUntraced(function* (
  plan: Plan,
  { breaker, channel, now, onClosed, time, verify }: Options
) {
  const clock = time === undefined ? RedisClock.make(now) : RedisClock.fromTime(now, time)
  const primary = Primary.make()
  const attempted = Deferred.makeUnsafe<void>()
  const prepare = async (client: Redis) => {
    await verify?.(client)
    await clock.sync(client)
    await primary.check(client)
  }
  const gate = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const client = plan.open()
      return new Gate(
        client,
        prepare,
        () => Deferred.doneUnsafe(attempted, Effect.void),
        breaker && new CircuitBreaker.CircuitBreaker(breaker, now),
        new Watchdog(client, plan.limits)
      )
    }),
    (gate) => Effect.sync(() => (gate.leave(), plan.close(gate.client)))
  )
  if (onClosed !== undefined) gate.client.on("close", onClosed)
  let askingClient: Redis | undefined
  const busClients = new Set<Redis>()
  const onSwitch = (port: number) => {
    plan.leave(gate.client, port)
    for (const client of busClients) Sentinels.leave(client, port)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => plan.watch?.(onSwitch)),
    (leave) => Effect.sync(() => leave?.())
  )
  const { endpoint } = plan

  const server: Server = {
    endpoint,
    channel,
    clock,
    status: () => gate.status(),
    problem: () => gate.problem,
    breakerState: () => gate.breakerState(),
    command: (operation, send, isJoined) =>
      gate.run(
        (client) => send(client, server),
        {
          notConnected: (problem) => redisError.notConnected(operation, endpoint, problem),
          notAsked: () => redisError.notAsked(operation, endpoint),
          failed: (error, problem) => redisError.toCacheError(operation, endpoint, error, problem)
        },
        isJoined
      ),
    attempt: (operation, send, asking = false, isJoined = false) =>
      gate.run(
        (client) => send(asking ? (askingClient ??= askingFirst(client)) : client, server, asking),
        {
          notConnected: (problem) => redisError.notConnected(operation, endpoint, problem),
          notAsked: () => redisError.notAsked(operation, endpoint),
          failed: (error, problem) =>
            redirection.of(error) ?? redisError.toCacheError(operation, endpoint, error, problem)
        },
        isJoined
      ),
    jointOf: (kind) => new Joint(gate.client, gate.turn, kind),
    attempted: Deferred.await(attempted),
    makeBusClient: Effect.acquireRelease(
      Effect.sync(() => {
        const client = plan.openBus()
        busClients.add(client)
        return client
      }),
      (client) =>
        Effect.sync(() => {
          busClients.delete(client)
          client.disconnect()
        })
    ),
    verify: (client) => verify?.(client) ?? Promise.resolve(),
    onReplaced: primary.onChange,
    replacements: primary.changes
  }
  yield* Effect.forkScoped(
    RedisClock.keepFresh({
      prepareAgain: () => gate.prepareAgain(),
      refresh: Effect.ignore(server.command("time", clock.refresh))
    })
  )
  return server
})

/** The client, with ASKING before each command. */
const askingFirst = (client: Redis): Redis => {
  const sendCommand: Redis["sendCommand"] = (command, stream) => {
    client.asking().catch(() => {})
    return client.sendCommand(command, stream)
  }
  return new Proxy(client, {
    get: (target, name, receiver) => (name === "sendCommand" ? sendCommand : Reflect.get(target, name, receiver))
  })
}
