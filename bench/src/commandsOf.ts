/**
 * Which commands clients send to a Redis meanwhile, in lower case and in the order of their execution. What scripts do inside of the
 * server is not among them: each of these is a request, and a round trip unless it leaves together with others.
 *
 * Over a socket of its own: ioredis' `monitor` takes for a reply what a busy server says at once after it has begun to.
 */
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { connect } from "node:net"
import { createInterface } from "node:readline"

export const commandsOf = async (url: string, run: () => Promise<unknown>): Promise<ReadonlyArray<string>> => {
  const port = Number(new URL(url).port)
  const [monitor, marker] = [connect({ host: "127.0.0.1", port }), connect({ host: "127.0.0.1", port })]
  const end = randomUUID()
  const commands: Array<string> = []
  try {
    await Promise.all([once(monitor, "connect"), once(marker, "connect")])
    const lines = createInterface(monitor)
    const isOver = new Promise<void>((resolve) => {
      lines.on("line", (line) => {
        const command = COMMAND.exec(line)?.groups
        if (line.includes(end)) resolve()
        else if (command !== undefined && command["source"] !== "lua")
          commands.push(command["name"]?.toLowerCase() ?? "")
      })
    })
    monitor.write("MONITOR\r\n")
    await once(lines, "line")
    await run()
    // the server executes it after all that was sent before
    marker.write(`ECHO ${end}\r\n`)
    await isOver
  } finally {
    monitor.destroy()
    marker.destroy()
  }
  return commands
}

/** `+1700000000.000000 [0 127.0.0.1:50000] "get" "key"`: arguments are quoted, so that each command is one line. */
const COMMAND = /^\+[\d.]+ \[\d+ (?<source>[^\]]+)\] "(?<name>[^"]*)"/

/** How many it takes at least: what a client sends now and then, such as a heartbeat, is not part of what is run. */
export const fewestCommands = async (url: string, run: () => Promise<unknown>, times = 3): Promise<number> => {
  const counts: Array<number> = []
  for (let time = 0; time < times; time++) counts.push((await commandsOf(url, run)).length)
  return Math.min(...counts)
}
