/**
 * A child process as its parent sees it.
 */
import { fork } from "node:child_process"
import * as Protocol from "./Protocol.ts"
import type { Report, View } from "./Report.ts"

export interface Child extends AsyncDisposable {
  readonly name: string
  /** Resolves when it can start. */
  readonly ready: Promise<unknown>
  /** Rejects when it fails, or ends before it was told to. */
  readonly failure: Promise<never>
  readonly start: () => void
  /** The newest report. */
  readonly report: () => Report | undefined
  /** Ends its work, not the process. */
  readonly stop: () => Promise<void>
  readonly view: () => Promise<View>
}

/** How long a child may take to end by itself, in milliseconds. */
const GRACE = 2000

/** Starts a process. What is awaited from it rejects with its failure. */
export const open = (job: Protocol.Job): Child => {
  const child = fork(new URL("./worker.ts", import.meta.url), [Protocol.encodeJob(job)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  const ended = Promise.withResolvers<void>()
  const failure = Promise.withResolvers<never>()
  const expected = new Map<Protocol.Message["_tag"], (message: Protocol.Message) => void>()
  let report: Report | undefined
  let isClosing = false

  const fail = (problem: string) => failure.reject(new Error(`the process "${job.name}" ${problem}`))
  // whoever waits learns of it; when nobody does, the next one will
  failure.promise.catch(() => {})
  child.on("error", ({ message }) => {
    fail(`cannot be started: ${message}`)
    ended.resolve()
  })
  child.on("exit", (code, signal) => {
    if (!isClosing) fail(`ended unexpectedly (${signal ?? `exit code ${code}`})`)
    ended.resolve()
  })

  child.on("message", (json) => {
    const message = Protocol.decodeMessage(json)
    if (message._tag === "failed") fail(`failed: ${message.problem}`)
    if (message._tag === "report" || message._tag === "stopped") report = message.report
    expected.get(message._tag)?.(message)
  })

  const next = (tag: Protocol.Message["_tag"]): Promise<Protocol.Message> =>
    Promise.race([new Promise<Protocol.Message>((resolve) => expected.set(tag, resolve)), failure.promise])

  // a channel that is closed shows in the exit that follows
  const send = (command: Protocol.Command) => child.send(command, () => {})

  return {
    name: job.name,
    failure: failure.promise,
    ready: next("ready"),
    start: () => send("start"),
    report: () => report,
    stop: async () => {
      const stopped = next("stopped")
      send("stop")
      await stopped
    },
    view: async () => {
      const answer = next("view")
      send("view")
      const message = await answer
      return message._tag === "view" ? message.view : {}
    },
    [Symbol.asyncDispose]: async () => {
      isClosing = true
      if (child.connected) child.disconnect()
      const killing = setTimeout(() => child.kill("SIGKILL"), GRACE)
      await ended.promise
      clearTimeout(killing)
    }
  }
}
