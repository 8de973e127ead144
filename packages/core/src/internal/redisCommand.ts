/**
 * Commands to servers of tests, without a client that would reconnect, retry or follow anything.
 */
import { connect } from "node:net"
import { Effect } from "effect"
import { failure, type RedisServerError } from "./redisProcess.ts"

/** What a server answers, in RESP2. */
export type Reply = string | number | null | ReadonlyArray<Reply>

/** A server that is frozen answers nothing; one on a machine that is very busy may take seconds. Who can do without asks for less. */
const PATIENCE = "5 seconds"

/** Sends one command over a connection of its own. Fails with what the server refuses. */
export const ask = (port: number, ...command: ReadonlyArray<string | number>): Effect.Effect<Reply, RedisServerError> =>
  Effect.callback<Reply, RedisServerError>((resume) => {
    let received = Buffer.alloc(0)
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(encode(command)))
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes])
      const parsed = parse(received, 0)
      if (parsed === undefined) return
      socket.destroy()
      resume(parsed.error === undefined ? Effect.succeed(parsed.reply) : failure(parsed.error))
    })
    socket.on("error", ({ message }) => resume(failure(message)))
    socket.on("close", () => resume(failure(`the server on port ${port} closed the connection`)))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () => failure(`the server on port ${port} does not answer`)
    })
  )

const encode = (command: ReadonlyArray<string | number>): string =>
  `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(String(part))}\r\n${part}\r\n`).join("")}`

interface Parsed {
  readonly reply: Reply
  readonly error?: string
  /** Where the next one begins. */
  readonly end: number
}

/** The answer that begins there, if all of it has arrived. */
const parse = (bytes: Buffer, start: number): Parsed | undefined => {
  const lineEnd = bytes.indexOf("\r\n", start)
  if (lineEnd < 0) return undefined
  const end = lineEnd + 2
  const line = bytes.toString("utf8", start + 1, lineEnd)
  switch (bytes.toString("latin1", start, start + 1)) {
    case "-":
      return { reply: null, error: line, end }
    case ":":
      return { reply: Number(line), end }
    case "$":
      return parseBulk(bytes, Number(line), end)
    case "*":
      return parseArray(bytes, Number(line), end)
    default:
      return { reply: line, end }
  }
}

const parseBulk = (bytes: Buffer, length: number, start: number): Parsed | undefined => {
  if (length < 0) return { reply: null, end: start }
  const end = start + length + 2
  return end > bytes.length ? undefined : { reply: bytes.toString("utf8", start, start + length), end }
}

const parseArray = (bytes: Buffer, length: number, start: number): Parsed | undefined => {
  if (length < 0) return { reply: null, end: start }
  const replies: Array<Reply> = []
  let end = start
  while (replies.length < length) {
    const parsed = parse(bytes, end)
    if (parsed === undefined) return undefined
    replies.push(parsed.reply)
    end = parsed.end
  }
  return { reply: replies, end }
}
