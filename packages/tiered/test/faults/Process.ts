/**
 * A worker process, seen from the test that started it.
 */
import { type ChildProcess, fork } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Deferred, Effect, Schema } from "effect"
import type * as History from "./History.ts"
import * as Orders from "./Orders.ts"

/** A worker did not do what was ordered, or is gone. */
export class ProcessError extends Schema.TaggedError<ProcessError>()("ProcessError", { message: Schema.String }) {}

export interface Process {
  readonly name: string
  /** Done when the worker has done it. */
  readonly order: (order: Orders.Order) => Effect.Effect<void, ProcessError>
  readonly stats: Effect.Effect<Orders.Stats, ProcessError>
  /** What happened so far. */
  readonly report: Effect.Effect<Orders.Report, ProcessError>
  /** The writes that were acknowledged to it, also when it is dead. */
  readonly acknowledged: () => ReadonlyArray<History.Write>
  /** SIGSTOP. */
  readonly pause: Effect.Effect<void>
  /** SIGCONT. */
  readonly resume: Effect.Effect<void>
  /** SIGKILL; done when it is gone. */
  readonly kill: Effect.Effect<void>
  /** Done when it has ended by itself, with its exit code. */
  readonly ended: Effect.Effect<number | null>
}

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url))

/** Halves what it costs to start one more. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") }

const decode = Schema.decodeUnknownSync(Orders.FromWorker)

/** How a program is started whose wall clock is set wrong; its monotonic clock goes on as it is. */
const withWallClock = (shift: string) => ({
  execPath: "faketime",
  execArgv: ["--exclude-monotonic", "-f", shift, process.execPath]
})

/**
 * Starts a worker; done when it listens. It is killed when the scope closes. With `wallClock` (`"+1h"`), its wall clock is off by
 * that, which takes faketime (of the Debian package of that name).
 */
export const make = Effect.fnUntraced(function* (name: string, wallClock?: string) {
  const start = wallClock === undefined ? { execArgv: [] } : withWallClock(wallClock)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => fork(WORKER, [name], { ...start, serialization: "advanced", env })),
    kill
  )
  const ready = yield* Deferred.make<void, ProcessError>()
  const answers = new Map<number, (answer: Effect.Effect<Orders.Answer, ProcessError>) => void>()
  const acknowledged: Array<History.Write> = []
  let lastId = 0

  child.on("message", (raw) => {
    const message = decode(raw)
    if (message._tag === "Ready") Deferred.doneUnsafe(ready, Effect.void)
    else if (message._tag === "Acknowledged") acknowledged.push(message.write)
    else {
      answers.get(message.id)?.(message._tag === "Failed" ? failure(message.message) : Effect.succeed(message))
      answers.delete(message.id)
    }
  })
  child.on("error", ({ message }) => Deferred.doneUnsafe(ready, failure(message)))
  // not at its exit, which may be told before the last messages
  child.on("disconnect", () => {
    const gone = failure(`worker ${name} ended`)
    Deferred.doneUnsafe(ready, gone)
    for (const answer of answers.values()) answer(gone)
  })

  const ask = (order: Orders.Order) =>
    Effect.callback<Orders.Answer, ProcessError>((resume) => {
      if (!child.connected) return resume(failure(`worker ${name} is gone`))
      const id = ++lastId
      answers.set(id, resume)
      child.send({ id, order })
    })

  yield* Deferred.await(ready)
  const self: Process = {
    name,
    order: (order) => Effect.asVoid(ask(order)),
    stats: Effect.flatMap(ask({ _tag: "Stats" }), (answer) =>
      answer._tag === "Counted" ? Effect.succeed(answer.stats) : failure("no stats")
    ),
    report: Effect.flatMap(ask({ _tag: "Report" }), (answer) =>
      answer._tag === "Reported" ? Effect.succeed(answer.report) : failure("no report")
    ),
    acknowledged: () => acknowledged,
    pause: Effect.sync(() => void child.kill("SIGSTOP")),
    resume: Effect.sync(() => void child.kill("SIGCONT")),
    kill: kill(child),
    ended: Effect.map(gone(child), () => child.exitCode)
  }
  return self
})

const failure = (message: string) => Effect.fail(new ProcessError({ message }))

const isGone = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Waits until a process has ended and its last message was read. */
const gone = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    const check = () => {
      if (isGone(child) && !child.connected) resume(Effect.void)
    }
    child.on("exit", check).on("disconnect", check)
    check()
    return Effect.sync(() => child.off("exit", check).off("disconnect", check))
  })

const kill = (child: ChildProcess) =>
  Effect.andThen(
    Effect.sync(() => void (isGone(child) || child.kill("SIGKILL"))),
    gone(child)
  )
