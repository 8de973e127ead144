/**
 * A program of Redis' (server or sentinel) as a process of a test's own, for the life of a scope.
 *
 * It does not outlive the process that started it, however that ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { Effect, Schema } from "effect"

/** Why there is no server, or what it refused, in one line. */
export class RedisServerError extends Schema.TaggedError<RedisServerError>()("RedisServerError", {
  message: Schema.String
}) {}

export interface Program {
  /** Of the binary. What is to be found in the directory is written before. */
  readonly argsOf: (directory: string, port: number) => Promise<ReadonlyArray<string>>
  /** What it logs once it is ready. */
  readonly ready: string
  readonly choosePort: Effect.Effect<number, RedisServerError>
}

export interface RedisProcess {
  readonly port: number
  readonly pid: () => number
  readonly isRunning: () => boolean
  readonly kill: Effect.Effect<void>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly restart: Effect.Effect<void, RedisServerError>
}

/** Starts a program in a directory of its own; done when it is ready. */
export const make = Effect.fnUntraced(function* (program: Program) {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "tiercache-redis-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )
  const start = (choosePort: Effect.Effect<number, RedisServerError>) =>
    choosePort.pipe(
      Effect.flatMap((port) => launch(directory, port, program)),
      Effect.retry({ while: isPortTaken, times: PORT_ATTEMPTS })
    )
  let running: Running = yield* Effect.acquireRelease(start(program.choosePort), () =>
    Effect.suspend(() => running.kill)
  )
  const { port } = running
  const process: RedisProcess = {
    port,
    pid: () => running.pid,
    isRunning: () => running.isRunning(),
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
  }
  return process
})

interface Running {
  readonly port: number
  readonly pid: number
  readonly isRunning: () => boolean
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

/** Another process may take the port between our finding it free and the server's binding it. */
const PORT_ATTEMPTS = 10

const PORT_TAKEN = "Address already in use"

const isPortTaken = (error: RedisServerError): boolean => error.message.includes(PORT_TAKEN)

export const failure = (message: string) => Effect.fail(new RedisServerError({ message }))

const HOST = "127.0.0.1"

/** The port, if nobody listens there; of 0, some port that is free. */
const bind = (port: number) =>
  Effect.callback<number, RedisServerError>((resume) => {
    const server = createServer()
    server.once("error", ({ message }) => resume(failure(message)))
    server.listen(port, HOST, () => {
      const address = server.address()
      const bound = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resume(Effect.succeed(bound)))
    })
  })

export const freePort = bind(0)

/** Nodes of a cluster talk to each other on their port and this. */
const CLUSTER_BUS_OFFSET = 10_000

/** Neither they nor those on which the nodes talk are given to outgoing connections by Linux, so that a restart finds them free. */
const CLUSTER_PORTS = { first: 10_000, count: 12_000 }

const CLUSTER_PORT_ATTEMPTS = 100

/** A port for a node of a cluster. */
export const freeClusterPort = Effect.suspend(() => {
  const port = CLUSTER_PORTS.first + Math.floor(Math.random() * CLUSTER_PORTS.count)
  return Effect.andThen(bind(port + CLUSTER_BUS_OFFSET), bind(port))
}).pipe(Effect.retry({ times: CLUSTER_PORT_ATTEMPTS }))

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

const launch = (
  directory: string,
  port: number,
  { argsOf, ready }: Program
): Effect.Effect<Running, RedisServerError> =>
  Effect.flatMap(Effect.all([binary, Effect.promise(() => argsOf(directory, port))]), ([path, args]) =>
    Effect.callback((resume) => {
      const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"] })
      let log = ""
      let isReady = false
      const read = (chunk: Buffer) => {
        // what it logs later is read all the same: a full pipe would stop it
        if (isReady) return
        log = (log + chunk.toString()).slice(-10_000)
        isReady = log.includes(ready)
        if (isReady) resume(Effect.succeed(runningOf(child, port)))
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
    isRunning: () => !isGone(),
    signal: (signal) => Effect.sync(() => void (isGone() || child.kill(signal))),
    kill: Effect.callback((resume) => {
      if (isGone()) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
  }
}
