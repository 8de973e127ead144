import { connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TcpProxy } from "../src/testing/index.ts"

/** Answers each piece with `name:piece`, and keeps connections open when the client ends its side. */
const makeServer = (name: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly sockets: Set<Socket>; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).on("close", () => sockets.delete(socket))
        socket.on("data", (bytes) => socket.write(`${name}:${bytes.toString()};`))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sockets, close: () => server.close() }))
      })
    }),
    ({ close, sockets }) => Effect.sync(() => (close(), sockets.forEach((socket) => socket.destroy())))
  )

const makeClient = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true })
      const client = { socket, received: "", hasEnded: false, error: "", send: (text: string) => socket.write(text) }
      socket.on("data", (bytes) => (client.received += bytes.toString()))
      socket.on("end", () => (client.hasEnded = true))
      socket.on("error", (error: NodeJS.ErrnoException) => (client.error = error.code ?? ""))
      return client
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(condition), "1 millis"), { until: (holds) => holds })

/** Long enough for what should not come to come on loopback. */
const aMoment = Effect.sleep("30 millis")

const makeStage = Effect.gen(function* () {
  const server = yield* makeServer("a")
  const proxy = yield* TcpProxy.make({ target: { port: server.port } })
  const client = yield* makeClient(proxy.port)
  client.send("0")
  yield* until(() => client.received === "a:0;")
  client.received = ""
  return { server, proxy, client }
})

describe("TcpProxy", { concurrent: true }, () => {
  it.live(
    "passes bytes, and the ends of streams, both ways",
    Effect.fnUntraced(function* () {
      const { client, proxy, server } = yield* makeStage
      client.send("x".repeat(1_000_000))
      yield* until(() => client.received.replaceAll(/a:|;/g, "").length === 1_000_000)
      client.socket.end()
      yield* until(() => [...server.sockets].every((socket) => socket.readableEnded))
      assert.isFalse(client.hasEnded)
      server.sockets.forEach((socket) => socket.end())
      yield* until(() => client.hasEnded)
      yield* until(() => proxy.connections() === 0)
    })
  )

  it.live(
    "has faults only for connections on which something was sent, from then on",
    Effect.fnUntraced(function* () {
      const { port } = yield* makeServer("a")
      const proxy = yield* TcpProxy.make({ target: { port }, only: (sent) => sent.includes("!") })
      const meant = yield* makeClient(proxy.port)
      const other = yield* makeClient(proxy.port)
      yield* proxy.stall("toServer")
      for (const client of [meant, other]) client.send("1")
      yield* until(() => meant.received === "a:1;" && other.received === "a:1;")
      meant.send("!")
      yield* aMoment
      for (const client of [meant, other]) client.send("2")
      yield* until(() => other.received === "a:1;a:2;")
      assert.strictEqual(meant.received, "a:1;")
      yield* proxy.pass()
      yield* until(() => meant.received.replaceAll(/a:|;/g, "") === "1!2")
      assert.strictEqual(proxy.bytes("toServer"), 5)
      yield* proxy.cut
      yield* until(() => meant.error === "ECONNRESET" && proxy.connections() === 1)
      other.send("3")
      yield* until(() => other.received === "a:1;a:2;a:3;")
    })
  )

  it.live(
    "delays one direction and keeps the order",
    Effect.fnUntraced(function* () {
      const { client, proxy } = yield* makeStage
      const latencies = [60, 5, 30]
      yield* proxy.delay(() => `${latencies.shift() ?? 0} millis`, "toClient")
      const startedAt = performance.now()
      for (const text of ["1", "2", "3"]) {
        client.send(text)
        yield* Effect.sleep("5 millis")
      }
      assert.strictEqual(client.received, "")
      yield* until(() => client.received.length > 0)
      assert.isAtLeast(performance.now() - startedAt, 60)
      // on a busy machine, pieces may be joined on their way
      yield* until(() => client.received.replaceAll(/a:|;/g, "") === "123")
    })
  )

  it.live(
    "holds bytes back and releases them in order",
    Effect.fnUntraced(function* () {
      const { client, proxy } = yield* makeStage
      yield* proxy.stall("toServer")
      client.send("1")
      yield* aMoment
      client.send("2")
      yield* aMoment
      assert.strictEqual(client.received, "")
      yield* proxy.pass()
      yield* until(() => /^a:1;a:2;$|^a:12;$/.test(client.received))
    })
  )

  it.live(
    "counts bytes each way, whatever becomes of them",
    Effect.fnUntraced(function* () {
      const { client, proxy } = yield* makeStage
      yield* proxy.drop("toServer")
      client.send("12345")
      yield* until(() => proxy.bytes("toServer") === "0".length + "12345".length)
      assert.strictEqual(proxy.bytes("toClient"), "a:0;".length)
    })
  )

  it.live(
    "swallows bytes, and lets a connection that lost some deliver nothing more",
    Effect.fnUntraced(function* () {
      const { client, proxy, server } = yield* makeStage
      const bystander = yield* makeClient(proxy.port)
      bystander.send("0")
      yield* until(() => bystander.received === "a:0;")
      yield* proxy.drop("toClient")
      client.send("1")
      yield* aMoment
      yield* proxy.pass()
      client.send("2")
      bystander.send("3")
      yield* until(() => bystander.received === "a:0;a:3;")
      yield* aMoment
      assert.strictEqual(client.received, "")
      assert.strictEqual(client.error, "")
      assert.strictEqual(server.sockets.size, 2)
    })
  )

  it.live(
    "swallows the end of a connection: the server goes on believing in it",
    Effect.fnUntraced(function* () {
      const { client, proxy, server } = yield* makeStage
      yield* proxy.drop("toServer")
      client.socket.resetAndDestroy()
      yield* aMoment
      assert.isTrue([...server.sockets].every((socket) => !socket.readableEnded && socket.writable))
      assert.strictEqual(proxy.connections(), 1)
      yield* proxy.cut
      yield* until(() => server.sockets.size === 0)
    })
  )

  it.live(
    "resets connections, and new ones while it refuses",
    Effect.fnUntraced(function* () {
      const { client, proxy, server } = yield* makeStage
      yield* proxy.refuse
      client.send("1")
      yield* until(() => client.received === "a:1;")
      yield* proxy.cut
      yield* until(() => client.error === "ECONNRESET" && server.sockets.size === 0)
      const refused = yield* makeClient(proxy.port)
      yield* until(() => refused.error === "ECONNRESET")
      yield* proxy.accept
      const accepted = yield* makeClient(proxy.port)
      accepted.send("2")
      yield* until(() => accepted.received === "a:2;")
    })
  )

  it.live(
    "ends one direction only",
    Effect.fnUntraced(function* () {
      const { client, proxy, server } = yield* makeStage
      yield* proxy.halfClose("toClient")
      yield* until(() => client.hasEnded)
      client.send("1")
      yield* until(() => [...server.sockets].some((socket) => socket.bytesRead === 2))
      assert.isTrue([...server.sockets].every((socket) => !socket.readableEnded))
    })
  )

  it.live(
    "leads new connections to another server",
    Effect.fnUntraced(function* () {
      const { client, proxy } = yield* makeStage
      const other = yield* makeServer("b")
      yield* proxy.retarget({ port: other.port })
      const next = yield* makeClient(proxy.port)
      next.send("1")
      client.send("1")
      yield* until(() => next.received === "b:1;" && client.received === "a:1;")
    })
  )

  it.live(
    "resets the client if the server cannot be reached",
    Effect.fnUntraced(function* () {
      const { proxy, server } = yield* makeStage
      server.close()
      const client = yield* makeClient(proxy.port)
      yield* until(() => client.error === "ECONNRESET")
    })
  )

  it.live(
    "leaves nothing behind when its scope closes",
    Effect.fnUntraced(function* () {
      const server = yield* makeServer("a")
      const scope = yield* Scope.make()
      const proxy = yield* Scope.provide(TcpProxy.make({ target: { port: server.port } }), scope)
      const client = yield* makeClient(proxy.port)
      client.send("1")
      yield* until(() => client.received === "a:1;")
      yield* proxy.delay("1 hour")
      client.send("2")
      yield* aMoment
      yield* Scope.close(scope, Exit.void)
      yield* until(() => client.error === "ECONNRESET" && server.sockets.size === 0)
      assert.strictEqual(proxy.connections(), 0)
      const late = yield* makeClient(proxy.port)
      yield* until(() => late.error === "ECONNREFUSED")
    })
  )
})
