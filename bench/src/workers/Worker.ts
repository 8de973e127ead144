/**
 * A process with a cache of its own, as its parent sees it.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"

/** What a worker is told, and answers with a message of its own kind. */
export type Order =
  | { readonly _tag: "open"; readonly rival: string; readonly redisUrl: string }
  | {
      readonly _tag: "load"
      readonly seed: number
      readonly seconds: number
      readonly keys: number
      /** The share of writes. */
      readonly writes: number
      /** Which one of how many. */
      readonly process: number
      readonly processes: number
    }
  | { readonly _tag: "fill"; readonly keys: number }
  | { readonly _tag: "hold"; readonly key: string }
  | { readonly _tag: "await"; readonly key: string; readonly version: number }
  | { readonly _tag: "write"; readonly key: string; readonly version: number }
  | { readonly _tag: "close" }

/** What one process did under load. Times are milliseconds of the machine's monotonic clock. */
export interface LoadReport {
  operations: number
  /** How many of them were reads. */
  reads: number
  /** How often the source was asked. */
  loads: number
  /** Of some reads: the number of the key, when it began, and when what it brought was written. */
  readonly found: Array<readonly [key: number, start: number, writtenAt: number]>
  /** The number of the key, when it was acknowledged, and when it began, which its value says. */
  readonly writes: Array<readonly [key: number, acknowledged: number, start: number]>
  /** How long some operations took. */
  readonly micros: Array<number>
  /** Of this process, for all operations. */
  readonly cpuMicros: number
  /** How long the event loop was not free, at 99 of 100 looks at it. */
  readonly loopDelayMillis: number
}

export type Answer =
  | { readonly _tag: "done" }
  /** `null` for never, as JSON writes it. */
  | { readonly _tag: "at"; readonly millis: number | null }
  | { readonly _tag: "loaded"; readonly report: LoadReport }
  | { readonly _tag: "failed"; readonly problem: string }

export interface Worker {
  readonly ask: (order: Order) => Promise<Answer>
  readonly close: () => Promise<void>
}

export const start = async (rival: string, redisUrl: string): Promise<Worker> => {
  const child = fork(new URL("./main.ts", import.meta.url), { stdio: ["ignore", "ignore", "ignore", "ipc"] })
  const worker = { ask: (order: Order) => ask(child, order), close: () => close(child) }
  await worker.ask({ _tag: "open", rival, redisUrl })
  return worker
}

const ask = (child: ChildProcess, order: Order) =>
  new Promise<Answer>((resolve, reject) => {
    const onAnswer = (answer: Answer) => {
      child.off("exit", onExit)
      if (answer._tag === "failed") reject(new Error(answer.problem))
      else resolve(answer)
    }
    const onExit = (code: number | null) => {
      child.off("message", onAnswer)
      reject(new Error(`the process ended with ${String(code)}`))
    }
    child.once("message", onAnswer)
    child.once("exit", onExit)
    child.send(order)
  })

/** Some never let their process end. */
const close = async (child: ChildProcess) => {
  const exited = once(child, "exit")
  child.kill("SIGKILL")
  await exited
}
