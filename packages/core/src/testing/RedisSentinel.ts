/**
 * A Sentinel group of a test's own: a primary, its replicas, and the sentinels that watch them, on free ports of 127.0.0.1, gone
 * with the scope.
 *
 * **Details**
 *
 * Servers and sentinels can be killed, frozen and started again. A primary that was replaced becomes a replica some ten seconds
 * after it came back: until then it takes writes that will be lost, which is how Sentinel works.
 *
 * **Example**
 *
 * ```ts
 * import { RedisSentinel } from "@tiercache/core/testing"
 * import { Effect } from "effect"
 *
 * const outage = Effect.gen(function* () {
 *   const group = yield* RedisSentinel.make()
 *   const primary = yield* group.primary
 *   yield* primary.kill
 *   yield* group.replaced(primary)
 * }).pipe(Effect.scoped)
 * ```
 */
import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect, Layer } from "effect"
import { ask } from "../internal/redisCommand.ts"
import * as redisProcess from "../internal/redisProcess.ts"
import * as RedisServer from "./RedisServer.ts"

export interface Options {
  /** One unless given. */
  readonly replicas?: number | undefined
  /** How long the primary may be silent until it counts as failed; a second unless given. */
  readonly downAfterMillis?: number | undefined
  /** More arguments of each server. */
  readonly args?: ReadonlyArray<string> | undefined
}

export type Node = RedisServer.RedisServer["Service"]

export class RedisSentinel extends Context.Service<
  RedisSentinel,
  {
    /** What the sentinels call the group. */
    readonly name: string
    /** First the one that began as primary. */
    readonly nodes: ReadonlyArray<Node>
    readonly sentinels: ReadonlyArray<redisProcess.RedisProcess>
    /** Of the sentinels, for clients. */
    readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>
    /** What most of the sentinels that answer take for the primary. */
    readonly primary: Effect.Effect<Node, RedisServer.RedisServerError>
    /** Lets the sentinels promote a replica of a primary that is well; done when all say so. Writes may be lost. */
    readonly failover: Effect.Effect<void, RedisServer.RedisServerError>
    /** Waits until all sentinels that answer name another primary than this one, and it says itself that it is. */
    readonly replaced: (primary: Node) => Effect.Effect<void>
  }
>()("@tiercache/core/testing/RedisSentinel") {}

const NAME = "tiercache"

const SENTINELS = 3
const QUORUM = 2

const DEFAULT_DOWN_AFTER_MILLIS = 1000

/** Sentinels wait twice as long from one attempt to the next. */
const FAILOVER_TIMEOUT_MILLIS = 2000

/** Starts the servers and the sentinels; done when these agree and could promote a replica. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const { args = [], replicas = 1 } = options
  const first = yield* RedisServer.make({ args })
  const others = yield* Effect.forEach(
    Array.from({ length: replicas }),
    () => RedisServer.make({ args: [...args, "--replicaof", "127.0.0.1", String(first.port)] }),
    { concurrency: "unbounded" }
  )
  const nodes = [first, ...others]
  const sentinels: Array<redisProcess.RedisProcess> = []
  for (let index = 0; index < SENTINELS; index++) {
    sentinels.push(yield* startSentinel(nodes, options))
  }

  const primaryOf = ({ port }: redisProcess.RedisProcess) =>
    Effect.map(soon(ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)), (reply) => {
      const primaryPort = Array.isArray(reply) ? Number(reply[1]) : NaN
      return nodes.find((node) => node.port === primaryPort)
    })
  const named = Effect.map(
    Effect.forEach(sentinels, (sentinel) => Effect.orElseSucceed(primaryOf(sentinel), () => undefined), {
      concurrency: "unbounded"
    }),
    (found) => found.filter((node) => node !== undefined)
  )
  const primary = Effect.flatMap(named, (found) => {
    const most = found.find((node) => found.filter((other) => other === node).length >= QUORUM)
    return most === undefined ? redisProcess.failure("the sentinels do not agree") : Effect.succeed(most)
  })
  const replaced = (old: Node) =>
    untilTrue(
      Effect.flatMap(named, (found) => {
        const [now] = found
        if (now === undefined || now === old || found.some((node) => node !== now)) return Effect.succeed(false)
        return Effect.map(now.ask("ROLE"), (role) => Array.isArray(role) && role[0] === "master")
      })
    )

  yield* Effect.forEach(others, (node) => untilTrue(isLinked(node)), { concurrency: "unbounded" })
  yield* Effect.forEach(sentinels, ({ port }) => untilTrue(isWatching(port, replicas)), { concurrency: "unbounded" })

  return RedisSentinel.of({
    name: NAME,
    nodes,
    sentinels,
    addresses: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })),
    primary,
    failover: Effect.flatMap(primary, (old) =>
      // of one sentinel: several would promote a replica each
      Effect.firstSuccessOf(sentinels.map(({ port }) => soon(ask(port, "SENTINEL", "FAILOVER", NAME)))).pipe(
        Effect.andThen(replaced(old))
      )
    ),
    replaced
  })
})

/** One group for all tests that share the layer. */
export const layer = (options?: Options): Layer.Layer<RedisSentinel, RedisServer.RedisServerError> =>
  Layer.effect(RedisSentinel, make(options))

/** For who may be frozen, while others can be asked. */
const soon = <A>(question: Effect.Effect<A, RedisServer.RedisServerError>) =>
  Effect.timeoutOrElse(question, { duration: "1 second", orElse: () => redisProcess.failure("no answer in time") })

/** Waits until a condition holds; who does not answer does not fulfil it. */
const untilTrue = (condition: Effect.Effect<boolean, RedisServer.RedisServerError>): Effect.Effect<void> =>
  Effect.orElseSucceed(soon(condition), () => false).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (holds) => holds }),
    Effect.asVoid
  )

const isLinked = (replica: Node) =>
  Effect.map(replica.ask("INFO", "replication"), (info) => String(info).includes("master_link_status:up"))

/** Whether a sentinel knows the others and the replicas, and could have one promoted. */
const isWatching = (port: number, replicas: number) =>
  Effect.gen(function* () {
    const quorum = yield* ask(port, "SENTINEL", "CKQUORUM", NAME)
    const info = String(yield* ask(port, "INFO", "sentinel"))
    return String(quorum).startsWith("OK") && info.includes(`status=ok`) && info.includes(`slaves=${replicas},`)
  })

const startSentinel = (nodes: ReadonlyArray<Node>, { downAfterMillis = DEFAULT_DOWN_AFTER_MILLIS }: Options) =>
  redisProcess.make({
    choosePort: redisProcess.freePort,
    ready: "Sentinel ID is",
    argsOf: async (directory, port) => {
      const file = join(directory, "sentinel.conf")
      // a sentinel that is started again finds what it has written there itself
      await writeFile(file, configOf(directory, port, nodes, downAfterMillis), { flag: "wx" }).catch(() => {})
      return [file, "--sentinel"]
    }
  })

const configOf = (
  directory: string,
  port: number,
  [primary, ...replicas]: ReadonlyArray<Node>,
  downAfterMillis: number
): string =>
  [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    'logfile ""',
    `sentinel myid ${randomBytes(20).toString("hex")}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${primary?.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${NAME} ${downAfterMillis}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MILLIS}`,
    // what it would find out by itself, but not at once
    ...replicas.map((replica) => `sentinel known-replica ${NAME} 127.0.0.1 ${replica.port}`)
  ].join("\n")
