/**
 * A node of a cluster that never was: it says what it is told to, at a time of its own.
 */
import { type AddressInfo, createServer, type Socket } from "node:net"
import { Effect } from "effect"

export interface FakeNode {
  readonly id: string
  readonly port: number
  /** How far its clock is ahead, in milliseconds. */
  readonly aheadMillis: number
  /** What `CLUSTER NODES` says about it. */
  slots: string
  /** What it answers to a script. */
  answer: () => string
  /** The arguments of the scripts that it was sent. */
  readonly scripts: Array<ReadonlyArray<string>>
}

export const make = (id: string, aheadMillis: number, nodes: () => ReadonlyArray<FakeNode>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly node: FakeNode; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("data", (bytes) => {
          for (const command of commandsIn(bytes.toString("latin1"))) socket.write(reply(command))
        })
      })
      const reply = ([name = "", ...args]: ReadonlyArray<string>): string => {
        switch (name.toUpperCase()) {
          case "HELLO":
            return "-NOPROTO unsupported\r\n"
          case "INFO":
            return bulk(`redis_version:7.0.0\r\nloading:0\r\nrun_id:${id}\r\n`)
          case "CLUSTER":
            return bulk(args[0]?.toUpperCase() === "MYID" ? id : nodes().map(lineOf(id)).join("\n"))
          case "TIME": {
            const micros = Math.round((performance.timeOrigin + performance.now() + node.aheadMillis) * 1000)
            return `*2\r\n${bulk(String(Math.floor(micros / 1e6)))}${bulk(String(micros % 1e6))}`
          }
          case "EVAL":
          case "EVALSHA":
            node.scripts.push(args)
            return node.answer()
          default:
            return "+OK\r\n"
        }
      }
      const node: FakeNode = { id, port: 0, aheadMillis, slots: "", answer: () => ":1\r\n", scripts: [] }
      server.listen(0, "127.0.0.1", () => {
        const { port } = addressOf(server.address())
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ node: Object.assign(node, { port }), close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ node }) => node))

const addressOf = (address: AddressInfo | string | null): AddressInfo => {
  if (typeof address === "object" && address !== null) return address
  throw new Error("it does not listen on a port")
}

const lineOf =
  (self: string) =>
  ({ id, port, slots }: FakeNode): string =>
    `${id} 127.0.0.1:${port}@1 ${id === self ? "myself," : ""}master - 0 0 1 connected ${slots}`

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

/** The commands that have arrived in one piece, which short ones do, and that contain no line breaks. */
const commandsIn = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = text.split("\r\n")
  const commands: Array<ReadonlyArray<string>> = []
  // each part is a line with its length, and a line with its bytes
  for (let at = 0; at < lines.length - 1; at += 1 + 2 * Number(lines[at]?.slice(1))) {
    const count = Number(lines[at]?.slice(1))
    commands.push(Array.from({ length: count }, (_, index) => lines[at + 2 + 2 * index] ?? ""))
  }
  return commands
}
