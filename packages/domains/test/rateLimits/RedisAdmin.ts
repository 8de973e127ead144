/**
 * What a test wants of Redis beyond the backend.
 */
import { connect } from "node:net"
import { type CacheBackend, CacheError, Script } from "@tiercache/core"
import { Effect } from "effect"

/** Sends one command that answers with a line, such as `SCRIPT FLUSH`. */
export const command = (port: number, text: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const socket = connect({ port, host: "127.0.0.1" })
    socket.once("error", (error) => resume(Effect.die(error)))
    socket.once("data", (bytes) => {
      socket.end()
      resume(Effect.succeed(bytes.toString().trim()))
    })
    socket.write(`${text}\r\n`)
  })

/** Runs Lua on the server of a backend. */
export const lua = (backend: CacheBackend.CacheBackend["Service"], text: string, ...args: ReadonlyArray<string>) =>
  backend.run(
    Script.make<never, undefined, unknown>({
      name: "test",
      type: "test",
      lua: text,
      args: () => args,
      reply: (raw) => raw,
      reducer: () => {
        throw CacheError.make("run", "Unsupported", "this script runs on Redis only")
      }
    }),
    [],
    undefined
  )
