/**
 * The commands that clients send about a key, whoever they are: what MONITOR shows. A script counts as one command, and as two when
 * Redis does not know it yet.
 */
import { connect } from "node:net"
import type { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Orders from "./Orders.ts"

export interface CommandLog {
  /** How often the key was asked for by those who would load it. */
  readonly takes: (key: string) => number
  /** How many other commands there were: mostly renewals of leases, and fills. */
  readonly others: (key: string) => number
  /** Waits until there were so many. */
  readonly untilTakes: (key: string, least: number) => Effect.Effect<void>
  readonly untilOthers: (key: string, least: number) => Effect.Effect<void>
}

/** Watches from now on, until the scope closes. */
export const make = Effect.fnUntraced(function* (server: RedisServer.RedisServer["Service"]) {
  const commands: Array<string> = []
  yield* Effect.acquireRelease(watch(server.port, commands), (socket) => Effect.sync(() => socket.destroy()))

  const about = (key: string) => commands.filter((command) => command.includes(`"${Orders.PREFIX}:${key}"`))
  const takes = (key: string) => about(key).filter(isTake).length
  const others = (key: string) => about(key).filter((command) => !isTake(command)).length
  const until = (count: (key: string) => number) => (key: string, least: number) =>
    Effect.repeat(Effect.sleep("5 millis"), { until: () => count(key) >= least })
  const log: CommandLog = { takes, others, untilTakes: until(takes), untilOthers: until(others) }
  return log
})

const watch = (port: number, commands: Array<string>) =>
  Effect.callback<ReturnType<typeof connect>>((resume) => {
    let rest = ""
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write("MONITOR\r\n"))
    socket.on("data", (bytes) => {
      const lines = (rest + bytes.toString("latin1")).split("\r\n")
      rest = lines.pop() ?? ""
      commands.push(...lines.filter(isOfClient))
      // the first line is the answer, from which on there are commands
      resume(Effect.succeed(socket))
    })
    socket.on("error", (error) => resume(Effect.die(error)))
  })

/** Scripts have `lua` for an address. */
const isOfClient = (line: string): boolean => / \[\d+ \S+:\d+\] /.test(line)

/** The script that takes leases is told when to. */
const isTake = (command: string): boolean => / "(?:stale|always)"(?: |$)/.test(command)
