/**
 * A Redis server of a test's own: started from the `redis-server` or `valkey-server` on PATH, gone with the scope.
 *
 * **Details**
 *
 * It listens on a free port of 127.0.0.1 and keeps nothing on disk. It can be killed, frozen and restarted, to see
 * what a client makes of that. It does not outlive the process that started it, however that ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { Context, Effect, Layer, Schema } from "effect"

/** Why there is no server, in one line. */
export class RedisServerError extends Schema.TaggedError<RedisServerError>()("RedisServerError", {
  message: Schema.String
}) {}

export interface Options {
  /** More arguments of the server: `["--requirepass", "secret"]`. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Makes it listen for TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined
}

export class RedisServer extends Context.Service<
  RedisServer,
  {
    readonly port: number
    /** `redis://127.0.0.1:{port}`, without credentials; with TLS `rediss://localhost:{port}`. */
    readonly url: string
    /** Changes with a restart. */
    readonly pid: () => number
    /** SIGKILL; done when the process is gone. */
    readonly kill: Effect.Effect<void>
    /** SIGSTOP: connections stay, and nobody answers. */
    readonly pause: Effect.Effect<void>
    /** SIGCONT. */
    readonly resume: Effect.Effect<void>
    /** On the same port, empty; kills it first if it runs. */
    readonly restart: Effect.Effect<void, RedisServerError>
  }
>()("@tiercache/core/testing/RedisServer") {}

/** Starts a server; done when it accepts connections. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "tiercache-redis-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )
  const start = (choosePort: Effect.Effect<number, RedisServerError>) =>
    choosePort.pipe(
      Effect.flatMap((port) => launch(directory, port, options)),
      Effect.retry({ while: isPortTaken, times: PORT_ATTEMPTS })
    )
  let running: Running = yield* Effect.acquireRelease(start(freePort), () => Effect.suspend(() => running.kill))
  const { port } = running
  return RedisServer.of({
    port,
    url: options.tls === undefined ? `redis://127.0.0.1:${port}` : `rediss://localhost:${port}`,
    pid: () => running.pid,
    kill: Effect.suspend(() => running.kill),
    pause: Effect.suspend(() => running.signal("SIGSTOP")),
    resume: Effect.suspend(() => running.signal("SIGCONT")),
    restart: Effect.suspend(() => running.kill).pipe(
      Effect.andThen(start(Effect.succeed(port))),
      Effect.map((started) => {
        running = started
      }),
      Effect.uninterruptible
    )
  })
})

/** One server for all tests that share the layer. */
export const layer = (options?: Options): Layer.Layer<RedisServer, RedisServerError> =>
  Layer.effect(RedisServer, make(options))

interface Running {
  readonly port: number
  readonly pid: number
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

/** Another process may take the port between our finding it free and the server's binding it. */
const PORT_ATTEMPTS = 10

const PORT_TAKEN = "Address already in use"

const isPortTaken = (error: RedisServerError): boolean => error.message.includes(PORT_TAKEN)

const failure = (message: string) => Effect.fail(new RedisServerError({ message }))

const freePort = Effect.callback<number, RedisServerError>((resume) => {
  const server = createServer()
  server.once("error", ({ message }) => resume(failure(message)))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const BINARIES = ["redis-server", "valkey-server"]

const binary = Effect.suspend(() => {
  const directories = (process.env["PATH"] ?? "").split(delimiter)
  const found = BINARIES.flatMap((name) => directories.map((directory) => join(directory, name))).find(isExecutable)
  if (found !== undefined) return Effect.succeed(found)
  return failure(
    "no redis-server or valkey-server on PATH: apt install redis-server, brew install redis, or run the tests in a container that has it"
  )
})

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const argsOf = (directory: string, port: number, { args = [], tls }: Options): ReadonlyArray<string> => {
  const own = `--bind 127.0.0.1 --appendonly no ${tls === undefined ? `--port ${port}` : `--port 0 --tls-port ${port}`}`
  // what the server says when it is ready is read from its log, which works whatever it demands of clients
  const log = ["--logfile", "", "--loglevel", "notice"]
  return [
    ...own.split(" "),
    "--dir",
    directory,
    "--save",
    "",
    ...log,
    ...(tls === undefined ? [] : tlsArgs(tls)),
    ...args
  ]
}

const tlsArgs = ({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }) => {
  const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile]
  return [...files, "--tls-auth-clients", "no"]
}

const READY = "Ready to accept connections"

const launch = (directory: string, port: number, options: Options): Effect.Effect<Running, RedisServerError> =>
  Effect.flatMap(binary, (path) =>
    Effect.callback((resume) => {
      const child = spawn(path, argsOf(directory, port, options), { stdio: ["ignore", "pipe", "pipe"] })
      let log = ""
      const read = (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-10_000)
        if (log.includes(READY)) resume(Effect.succeed(runningOf(child, port)))
      }
      child.stdout.on("data", read)
      child.stderr.on("data", read)
      child.once("error", ({ message }) => resume(failure(`cannot start ${path}: ${message}`)))
      child.once("exit", () => resume(failure(`${path} ended: ${reasonIn(log)}`)))
      return Effect.sync(() => child.kill("SIGKILL"))
    })
  )

/** The line that tells why a server ended, of its log or its complaint about an argument. */
const reasonIn = (log: string): string => {
  const lines = log.split("\n").filter((line) => line.trim() !== "")
  return lines.find((line) => line.includes(PORT_TAKEN)) ?? lines.at(-1) ?? "it did not say why"
}

const runningOf = (child: ChildProcess, port: number): Running => {
  const pid = child.pid ?? 0
  const isGone = () => child.exitCode !== null || child.signalCode !== null
  // its input ends with this process, even with SIGKILL
  const watchdog = spawn("sh", ["-c", `cat; kill -9 ${pid}`], { stdio: ["pipe", "ignore", "ignore"] })
  child.once("exit", () => watchdog.kill("SIGKILL"))
  return {
    port,
    pid,
    signal: (signal) => Effect.sync(() => void (isGone() || child.kill(signal))),
    kill: Effect.callback((resume) => {
      if (isGone()) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
  }
}
