/**
 * A cluster whose nodes are reached through networks that can be made to fail, those for commands and those for the bus each alone.
 *
 * The nodes announce the addresses of their proxies, so everybody goes through them, replicas too; a connection is told by what
 * is sent over it.
 */
import { RedisCluster, TcpProxy } from "@tiercache/core/testing"
import { Effect } from "effect"

/** The way of all processes to one node. */
interface Way {
  readonly commands: TcpProxy.TcpProxy
  readonly bus: TcpProxy.TcpProxy
}

/** Starts the cluster; done when its nodes know each other by their new addresses. */
export const make = Effect.gen(function* () {
  const cluster = yield* RedisCluster.make()
  const ways = new Map(
    yield* Effect.forEach(cluster.nodes, (node) => Effect.map(wayTo(node), (way) => [node, way] as const))
  )
  const ports = [...ways.values()].map(({ commands }) => commands.port)
  const isKnown = Effect.map(
    Effect.forEach(cluster.nodes, (node) => node.ask("CLUSTER", "NODES")),
    (views) => views.every((view) => ports.every((port) => String(view).includes(`:${port}@`)))
  )
  yield* Effect.repeat(Effect.delay(isKnown, "20 millis"), { until: (holds) => holds })
  yield* cluster.settled
  // not before, since it is also how often they tell each other their addresses
  yield* Effect.forEach(cluster.nodes, (node) => node.ask("CONFIG", "SET", "cluster-node-timeout", NODE_TIMEOUT_MILLIS))
  return {
    addresses: ports.map((port) => ({ host: "127.0.0.1", port })),
    // on a busy machine, some may not answer in time
    primaries: cluster.primaries.pipe(
      Effect.repeat({ until: ({ length }) => length === PRIMARIES }),
      Effect.map((nodes) => nodes.flatMap((node) => ways.get(node) ?? []))
    )
  }
})

const wayTo = Effect.fnUntraced(function* (node: RedisCluster.Node) {
  const bus = yield* TcpProxy.make({ target: { port: node.port }, only: (sent) => /subscribe/i.test(sent.toString()) })
  // heartbeats and writes are scripts
  const commands = yield* TcpProxy.make({ target: bus, only: (sent) => /evalsha/i.test(sent.toString()) })
  yield* node.ask("CONFIG", "SET", "cluster-announce-bus-port", node.port + BUS_PORT_OFFSET)
  yield* node.ask("CONFIG", "SET", "cluster-announce-port", commands.port)
  const way: Way = { commands, bus }
  return way
})

const PRIMARIES = 3

/** Nothing fails here, and nobody is to be replaced because the machine is busy. */
const NODE_TIMEOUT_MILLIS = 10_000

/** Where nodes talk to each other, from where they talk to clients. */
const BUS_PORT_OFFSET = 10_000
