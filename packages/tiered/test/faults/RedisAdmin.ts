/**
 * Commands to a server that no cache would send.
 */
import { connect, type Socket } from "node:net"
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

/** What sentinels say about a failover, from the first to the last step of it. */
const FAILOVER = /[+-](?:try-failover|failover-|selected-slave|promoted-slave|switch-master|config-update-from)/

/** Calls a function at each step of any failover that one of the sentinels tells of, until the scope closes. */
export const onFailover = (sentinels: ReadonlyArray<{ readonly port: number }>, onStep: () => void) =>
  Effect.forEach(
    sentinels,
    ({ port }) =>
      Effect.acquireRelease(
        Effect.callback<Socket>((resume) => {
          const socket = connect({ host: "127.0.0.1", port })
          socket.on("data", (bytes) => {
            const text = bytes.toString()
            if (FAILOVER.test(text)) onStep()
            if (text.includes("psubscribe")) resume(Effect.succeed(socket))
          })
          socket.on("error", (error) => resume(Effect.die(error)))
          socket.write("PSUBSCRIBE *\r\n")
        }),
        (socket) => Effect.sync(() => socket.destroy())
      ),
    { concurrency: "unbounded", discard: true }
  )
