/**
 * Commands to a server that no cache would send.
 */
import { connect } from "node:net"
import { Effect } from "effect"

/** Sends one command, and returns what the server answers until it closes the connection. */
const ask = (port: number, command: string) =>
  Effect.callback<string>((resume) => {
    let answer = ""
    const socket = connect({ host: "127.0.0.1", port })
    socket.on("data", (bytes) => (answer += bytes.toString()))
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.on("close", () => resume(Effect.succeed(answer)))
    socket.write(`${command}\r\nQUIT\r\n`)
  })

const offsetOf = (info: string): string | undefined => /^master_repl_offset:(\d+)/m.exec(info)?.[1]

/** Waits until a replica has what its primary has, where nobody writes any more. */
export const awaitReplica = (primary: number, replica: number): Effect.Effect<void> =>
  Effect.all([ask(primary, "INFO replication"), ask(replica, "INFO replication")]).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({
      until: ([theirs, own]) => own.includes("master_link_status:up") && offsetOf(own) === offsetOf(theirs)
    }),
    Effect.asVoid
  )

export const promote = (replica: number): Effect.Effect<void> => Effect.asVoid(ask(replica, "REPLICAOF NO ONE"))
