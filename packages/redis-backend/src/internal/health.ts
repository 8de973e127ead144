/**
 * How the servers, their clocks and the bus are. docs/health.md tells what each field means.
 */
import type { CacheBackend, MonotonicClock } from "@tiercache/core"
import { Clock, Effect, Result } from "effect"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import * as Asking from "./asking.ts"
import * as Dangers from "./dangers.ts"
import * as redisError from "./redisError.ts"
import type { ServerInfo } from "./serverInfo.ts"

type Facts = CacheBackend.Health["details"]

export const make = (
  connection: RedisConnection.RedisConnection,
  now: MonotonicClock.Now,
  bus: RedisBus.RedisBus,
  uses: Dangers.Uses
): CacheBackend.CacheBackend["Service"]["health"] =>
  Effect.gen(function* () {
    const servers = connection.servers()
    const answers = yield* Asking.askAll(servers, "health", now)
    const problems =
      servers.length === 0
        ? [redisError.notConnected("health", connection.endpoint, connection.problem()).message]
        : unique(answers.flatMap((answer) => Asking.problemOf(answer) ?? []))
    const isConnected = servers.length > 0 && answers.every(({ pingMillis }) => Result.isSuccess(pingMillis))
    const infos = answers.flatMap(({ info }) => (Result.isSuccess(info) ? [info.success] : []))
    const busProblem = bus.problem()
    return {
      healthy: problems.length === 0,
      problem: problems.length === 0 ? undefined : problems.join("; "),
      warnings: [
        ...warningsOf(answers, uses),
        ...(busProblem === undefined ? [] : [`the bus is not connected: ${busProblem}`])
      ],
      details: {
        connected: isConnected,
        endpoint: connection.endpoint,
        db: connection.db,
        ...(servers.length === 1 ? {} : { primaries: servers.length }),
        circuit_breaker: connection.breakerState(),
        ...factsOf(infos),
        bus: bus.status(),
        ...(busProblem === undefined ? {} : { bus_problem: busProblem }),
        ...(isConnected ? timesOf(connection, now(), yield* Clock.currentTimeMillis, answers) : {})
      }
    }
  })

const unique = (texts: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(texts)]

/** Once for all servers of which it is true. */
const warningsOf = (answers: ReadonlyArray<Asking.Answer>, uses: Dangers.Uses): ReadonlyArray<string> => {
  const endpoints = new Map<string, ReadonlyArray<string>>()
  for (const answer of answers) {
    // one that does not answer at all is a problem, and no danger
    if (Result.isFailure(answer.pingMillis)) continue
    for (const danger of dangersOf(answer, uses)) {
      endpoints.set(danger, [...(endpoints.get(danger) ?? []), answer.endpoint])
    }
  }
  return [...endpoints].map(([danger, servers]) => `Redis at ${servers.join(", ")}: ${danger}`)
}

const dangersOf = ({ info }: Asking.Answer, uses: Dangers.Uses): ReadonlyArray<string> => {
  if (Result.isSuccess(info)) return Dangers.of(info.success, uses)
  // a circuit breaker lets one command through to see whether the server is back, and that is the PING
  const happened = info.failure.reason === "Refused" ? "is refused" : "got no answer"
  return [`INFO ${happened}, so it is not known which keys may be evicted`]
}

/** Of several servers: what each says of words, the sum of what is counted, and the worst of what is a delay. */
const factsOf = (infos: ReadonlyArray<ServerInfo>): Facts => {
  const replicas = infos.flatMap(({ replicas }) => replicas)
  return Object.fromEntries(
    Object.entries({
      role: words(infos, ({ role }) => role),
      version: words(infos, ({ version }) => version),
      connected_clients: sum(infos, ({ connectedClients }) => connectedClients),
      used_memory_human: words(infos, ({ usedMemoryHuman }) => usedMemoryHuman),
      used_memory_bytes: sum(infos, ({ usedMemoryBytes }) => usedMemoryBytes),
      max_memory_bytes: sum(infos, ({ maxMemoryBytes }) => maxMemoryBytes),
      eviction_policy: words(infos, ({ evictionPolicy }) => evictionPolicy),
      evicted_keys: sum(infos, ({ evictedKeys }) => evictedKeys),
      // a user who may not ask does not know of any
      replicas: infos.length === 0 ? undefined : replicas.length,
      replica_lag_bytes: most(replicas.map(({ lagBytes }) => lagBytes)),
      replica_lag_seconds: most(replicas.map(({ lagSeconds }) => lagSeconds))
    }).flatMap(([name, fact]) => (fact === undefined ? [] : [[name, fact] as const]))
  )
}

const words = (infos: ReadonlyArray<ServerInfo>, of: (info: ServerInfo) => string | undefined) => {
  const values = unique(infos.flatMap((info) => of(info) ?? []))
  return values.length === 0 ? undefined : values.join(", ")
}

const sum = (infos: ReadonlyArray<ServerInfo>, of: (info: ServerInfo) => number | undefined) => {
  const values = infos.flatMap((info) => of(info) ?? [])
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
}

const most = (values: ReadonlyArray<number>) => (values.length === 0 ? undefined : Math.max(...values))

const timesOf = (
  connection: RedisConnection.RedisConnection,
  monotonicMillis: number,
  wallMillis: number,
  answers: ReadonlyArray<Asking.Answer>
): Facts => {
  const pings = answers.flatMap(({ pingMillis }) => (Result.isSuccess(pingMillis) ? [pingMillis.success] : []))
  const clocks = connection.servers().map(({ clock }) => ({
    offset: clock.toRedis(monotonicMillis) - wallMillis,
    error: clock.errorMillis()
  }))
  const worst = clocks.toSorted((one, other) => other.error - one.error)[0]
  return {
    ping_ms: toMicros(Math.max(...pings)),
    ...(worst === undefined ? {} : { clock_offset_ms: Math.round(worst.offset), clock_error_ms: toMicros(worst.error) })
  }
}

/** Milliseconds, without digits that mean nothing. */
const toMicros = (millis: number): number => Math.round(millis * 1000) / 1000
