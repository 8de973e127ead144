/**
 * A worker process, seen from the test that started it.
 */
import { type ChildProcess, fork } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Deferred, Effect, FiberSet, Schema } from "effect"
import type * as Fetches from "./Fetches.ts"
import type * as History from "./History.ts"
import * as Orders from "./Orders.ts"
import * as Origin from "./Origin.ts"

/** A worker did not do what was ordered, or is gone. */
export class ProcessError extends Schema.TaggedError<ProcessError>()("ProcessError", { message: Schema.String }) {}

export interface Process {
  readonly name: string
  /** Done when the worker has done it. */
  readonly order: (order: Orders.Order) => Effect.Effect<void, ProcessError>
  readonly stats: Effect.Effect<Orders.Stats, ProcessError>
  /** What happened so far. */
  readonly report: Effect.Effect<Orders.Report, ProcessError>
  /** Gets the value of a key for several callers at once; what each got. */
  readonly fetch: (
    key: string,
    options?: { readonly callers?: number; readonly policy?: Orders.Policy }
  ) => Effect.Effect<ReadonlyArray<Fetches.Fetch>, ProcessError>
  /** What its L1 serves for a key, and what L2 has. */
  readonly inspect: (key: string) => Effect.Effect<typeof Orders.Held.Type, ProcessError>
  /** Ends its cache, upon which it has to end by itself; the errors that nobody handled. */
  readonly close: Effect.Effect<ReadonlyArray<string>, ProcessError>
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

export interface Options {
  readonly name: string
  /** How far its wall clock is off (`"+1h"`), which takes faketime (of the Debian package of that name). */
  readonly wallClock?: string | undefined
  /** What its loaders ask; one that nobody else asks unless given. */
  readonly origin?: Origin.Origin | undefined
}

/** Starts a worker; done when it listens. It is killed when the scope closes. */
export const make = Effect.fnUntraced(function* ({ name, origin = Origin.make(), wallClock }: Options) {
  const start = wallClock === undefined ? { execArgv: [] } : withWallClock(wallClock)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => fork(WORKER, [name], { ...start, serialization: "advanced", env })),
    kill
  )
  const ready = yield* Deferred.make<void, ProcessError>()
  const answers = new Map<number, (answer: Effect.Effect<Orders.Answer, ProcessError>) => void>()
  const acknowledged: Array<History.Write> = []
  const runFork = yield* FiberSet.makeRuntime()
  let lastId = 0

  const send = (message: typeof Orders.ToWorker.Type): void => {
    if (child.connected) child.send(message)
  }
  const askOrigin = ({ key, question, to }: typeof Orders.Asked.Type) => {
    const answer = to === "read" ? origin.read(name, key) : Effect.sync(() => origin.write(key))
    runFork(Effect.map(answer, (version) => send({ _tag: "Told", question, version })))
  }

  child.on("message", (raw) => {
    const message = decode(raw)
    if (message._tag === "Ready") Deferred.doneUnsafe(ready, Effect.void)
    else if (message._tag === "Acknowledged") acknowledged.push(message.write)
    else if (message._tag === "Asked") askOrigin(message)
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
      send({ _tag: "Ordered", id, order })
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
    fetch: (key, { callers = 1, policy = {} } = {}) =>
      Effect.flatMap(ask({ _tag: "Fetch", key, callers, policy }), (answer) =>
        answer._tag === "Fetched" ? Effect.succeed(answer.fetches) : failure("nothing fetched")
      ),
    inspect: (key) =>
      Effect.flatMap(ask({ _tag: "Inspect", key }), (answer) =>
        answer._tag === "Inspected" ? Effect.succeed(answer.held) : failure("nothing inspected")
      ),
    close: Effect.flatMap(ask({ _tag: "Close" }), (answer) =>
      answer._tag === "Closed" ? Effect.succeed(answer.accidents) : failure("not closed")
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
