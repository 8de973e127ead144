/**
 * A TCP proxy that can be told to misbehave: it stands between a client and a server, to see what they make of a bad network.
 *
 * **Details**
 *
 * Faults are set per direction and hold for all connections, those that exist and those to come. Order is always kept, and a
 * connection has no gaps: one that lost bytes delivers nothing more in that direction, whatever is set later, as with
 * a peer that vanished. Delays are in real time, like the rest of the network.
 *
 * **Gotchas**
 *
 * What is held back, and what a receiver does not take, is kept in memory without a limit.
 *
 * **Example**
 *
 * ```ts
 * import { TcpProxy } from "@tiercache/core/testing"
 * import { Effect } from "effect"
 *
 * const outage = Effect.gen(function* () {
 *   const proxy = yield* TcpProxy.make({ target: { port: 6379 } })
 *   // ... let a client connect to `redis://${proxy.address}`
 *   yield* proxy.stall("toClient")
 *   yield* Effect.sleep("2 seconds")
 *   yield* proxy.pass()
 * }).pipe(Effect.scoped)
 * ```
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { Duration, Effect } from "effect"

export type Direction = "toServer" | "toClient"

/** Where connections are led. */
export interface Target {
  /** `127.0.0.1` unless given. */
  readonly host?: string | undefined
  readonly port: number
}

export interface Options {
  readonly target: Target
  /**
   * Which connections have faults, and are cut and closed: those on which the client has sent such bytes, from then on. All unless
   * given; `refuse` is about all in any case.
   */
  readonly only?: ((sent: Buffer) => boolean) | undefined
}

/** How long bytes are under way; a function is asked anew for each piece, and what is late makes late what follows. */
export type Latency = Duration.Input | (() => Duration.Input)

/** Without a direction, an operation is about both. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** `127.0.0.1:{port}`, to put a scheme before it. */
  readonly address: string
  /** Lets bytes through, first those that were held back. */
  readonly pass: (direction?: Direction) => Effect.Effect<void>
  readonly delay: (latency: Latency, direction?: Direction) => Effect.Effect<void>
  /** Holds bytes back until `pass`, `delay` or `drop`. */
  readonly stall: (direction?: Direction) => Effect.Effect<void>
  /** Swallows bytes, and the end of connections too: each side believes that the other is there and silent. */
  readonly drop: (direction?: Direction) => Effect.Effect<void>
  /** Resets (RST) all connections. */
  readonly cut: Effect.Effect<void>
  /** Sends the end of the stream (FIN) on all connections in one direction; bytes still pass in the other. */
  readonly halfClose: (direction: Direction) => Effect.Effect<void>
  /** Resets new connections as soon as they are made. Those that exist stay. */
  readonly refuse: Effect.Effect<void>
  /** Ends `refuse`. */
  readonly accept: Effect.Effect<void>
  /** Leads new connections elsewhere. Those that exist stay. */
  readonly retarget: (target: Target) => Effect.Effect<void>
  /** How many connections are open, those of which one side is gone included. */
  readonly connections: () => number
  /** How many bytes were sent that way so far, on all connections; those that were held back or swallowed too. */
  readonly bytes: (direction: Direction) => number
}

const HOST = "127.0.0.1"

/** Listens on a free port. When the scope closes, all sockets and timers are gone. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { only } = options
  const faults = { toServer: new Fault(), toClient: new Fault() }
  const noFaults = { toServer: new Fault(), toClient: new Fault() }
  /** Those that faults are about. */
  const meant = new Set<Connection>()
  const connections = new Set<Connection>()
  let target = options.target
  let isRefusing = false

  const mean = (connection: Connection) => {
    meant.add(connection)
    connection.suffer(faults)
  }
  const accept = (client: Socket) => {
    if (isRefusing) {
      client.on("error", ignore).resetAndDestroy()
      return
    }
    const server = connect({ host: target.host ?? HOST, port: target.port, allowHalfOpen: true, noDelay: true })
    // before the connection reads: what tells that it is meant is the first to have faults
    if (only !== undefined) client.on("data", (sent) => only(sent) && mean(connection))
    const connection = new Connection(client, server, noFaults, () => {
      connections.delete(connection)
      meant.delete(connection)
    })
    connections.add(connection)
    if (only === undefined) mean(connection)
  }
  const listening = yield* Effect.acquireRelease(listen(accept), (listening) =>
    Effect.callback<void>((resume) => {
      listening.server.close(() => resume(Effect.void))
      for (const connection of connections) connection.reset()
    })
  )

  const set = (state: FaultState, direction: Direction | undefined) =>
    Effect.sync(() => {
      const directions = direction === undefined ? (["toServer", "toClient"] as const) : ([direction] as const)
      for (const each of directions) faults[each].state = state
      for (const connection of meant) for (const each of directions) connection[each].onFaultChange()
    })

  const proxy: TcpProxy = {
    host: HOST,
    port: listening.port,
    address: `${HOST}:${listening.port}`,
    pass: (direction) => set(PASS, direction),
    delay: (latency, direction) => set({ kind: "delay", millis: millisOf(latency) }, direction),
    stall: (direction) => set({ kind: "stall" }, direction),
    drop: (direction) => set({ kind: "drop" }, direction),
    cut: Effect.sync(() => {
      for (const connection of meant) connection.reset()
    }),
    halfClose: (direction) =>
      Effect.sync(() => {
        for (const connection of meant) connection[direction].to.end()
      }),
    refuse: Effect.sync(() => {
      isRefusing = true
    }),
    accept: Effect.sync(() => {
      isRefusing = false
    }),
    retarget: (next) =>
      Effect.sync(() => {
        target = next
      }),
    connections: () => connections.size,
    bytes: (direction) => noFaults[direction].bytes + faults[direction].bytes
  }
  return proxy
})

type FaultState =
  | { readonly kind: "pass" | "stall" | "drop" }
  | { readonly kind: "delay"; readonly millis: () => number }

const PASS: FaultState = { kind: "pass" }

/** What happens to the bytes of one direction, on all connections, and how many there were. */
class Fault {
  state: FaultState = PASS
  bytes = 0
}

const ignore = () => {}

const millisOf = (latency: Latency): (() => number) => {
  if (typeof latency === "function") return () => Duration.toMillis(latency())
  const millis = Duration.toMillis(latency)
  return () => millis
}

const listen = (onConnection: (client: Socket) => void) =>
  Effect.callback<{ readonly server: Server; readonly port: number }>((resume) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
    server.once("error", (error) => resume(Effect.die(error)))
    server.listen(0, HOST, () => resume(Effect.succeed({ server, port: portOf(server.address()) })))
  })

const portOf = (address: AddressInfo | string | null): number =>
  typeof address === "object" && address !== null ? address.port : 0

/** The two sockets of a connection, and a pipe each way. */
class Connection {
  readonly toServer: Pipe
  readonly toClient: Pipe
  private readonly sockets: ReadonlyArray<Socket>

  constructor(client: Socket, server: Socket, faults: Readonly<Record<Direction, Fault>>, onClosed: () => void) {
    this.sockets = [client, server]
    this.toServer = new Pipe(client, server, faults.toServer)
    this.toClient = new Pipe(server, client, faults.toClient)
    const onClose = () => {
      if (this.sockets.every((socket) => socket.closed)) onClosed()
    }
    for (const socket of this.sockets) socket.on("close", onClose)
  }

  suffer(faults: Readonly<Record<Direction, Fault>>): void {
    this.toServer.fault = faults.toServer
    this.toClient.fault = faults.toClient
  }

  reset(): void {
    this.toServer.discard()
    this.toClient.discard()
    for (const socket of this.sockets) socket.resetAndDestroy()
  }
}

/** What travels: bytes, the end of the stream, or its abortion. */
type Piece = Buffer | "end" | "reset"

/** One direction of a connection. */
class Pipe {
  readonly to: Socket
  fault: Fault
  private readonly underWay: Array<{ readonly piece: Piece; readonly due: number }> = []
  private timer: NodeJS.Timeout | undefined
  private isDead = false

  constructor(from: Socket, to: Socket, fault: Fault) {
    this.to = to
    this.fault = fault
    from.on("data", (bytes) => {
      this.fault.bytes += bytes.length
      this.push(bytes)
    })
    from.on("end", () => this.push("end"))
    from.on("error", ignore)
    from.on("close", (hadError) => {
      if (hadError) this.push("reset")
    })
  }

  onFaultChange(): void {
    if (this.fault.state.kind === "drop" && this.underWay.length > 0) this.discard()
    else this.deliver()
  }

  /** Loses what is under way, and all that follows. */
  discard(): void {
    this.isDead = true
    this.underWay.length = 0
    clearTimeout(this.timer)
  }

  private push(piece: Piece): void {
    const { state } = this.fault
    if (this.isDead) return
    if (state.kind === "drop") return this.discard()
    const due = performance.now() + (state.kind === "delay" ? state.millis() : 0)
    this.underWay.push({ piece, due: Math.max(due, this.underWay.at(-1)?.due ?? 0) })
    this.deliver()
  }

  private deliver(): void {
    clearTimeout(this.timer)
    if (this.fault.state.kind === "stall") return
    for (let next = this.underWay[0]; next !== undefined; next = this.underWay[0]) {
      const wait = next.due - performance.now()
      if (wait > 0) {
        this.timer = setTimeout(() => this.deliver(), wait)
        return
      }
      this.underWay.shift()
      this.send(next.piece)
    }
  }

  private send(piece: Piece): void {
    if (piece === "reset") this.to.resetAndDestroy()
    else if (piece === "end") this.to.end()
    else if (this.to.writable) this.to.write(piece)
  }
}
