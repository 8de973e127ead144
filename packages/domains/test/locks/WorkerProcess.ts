/**
 * A worker process, seen from the test that started it.
 */
import { type ChildProcess, fork } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Schema } from "effect"
import * as Orders from "./Orders.ts"

interface WorkerProcess {
  readonly order: (order: Orders.Order) => void
  /** What it told so far, also if it is dead. */
  readonly news: ReadonlyArray<Orders.News>
  /** Waits for news of a kind; the first of them. */
  readonly await: <Tag extends Orders.News["_tag"]>(
    tag: Tag,
    matches?: (news: Extract<Orders.News, { readonly _tag: Tag }>) => boolean
  ) => Effect.Effect<Extract<Orders.News, { readonly _tag: Tag }>>
  /** SIGSTOP. */
  readonly pause: Effect.Effect<void>
  /** SIGCONT. */
  readonly resume: Effect.Effect<void>
  /** SIGKILL. */
  readonly kill: Effect.Effect<void>
}

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url))

/** Halves what it costs to start one more. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") }

const decode = Schema.decodeUnknownSync(Orders.News)

/** Starts a worker with locks over a Redis; it is killed when the scope closes. */
export const make = Effect.fnUntraced(function* (url: string) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => fork(WORKER, [], { execArgv: [], serialization: "advanced", env })),
    kill
  )
  const news: Array<Orders.News> = []
  const listeners = new Set<() => void>()
  child.on("message", (message) => {
    news.push(decode(message))
    listeners.forEach((listener) => listener())
  })

  const self: WorkerProcess = {
    order: (order) => void child.send(order),
    news,
    await: <Tag extends Orders.News["_tag"]>(
      tag: Tag,
      matches: (news: Extract<Orders.News, { readonly _tag: Tag }>) => boolean = () => true
    ) =>
      Effect.callback<Extract<Orders.News, { readonly _tag: Tag }>>((resume) => {
        const isIt = (each: Orders.News): each is Extract<Orders.News, { readonly _tag: Tag }> => each._tag === tag
        const look = () => {
          const found = news.filter(isIt).find(matches)
          if (found === undefined) return
          listeners.delete(look)
          resume(Effect.succeed(found))
        }
        listeners.add(look)
        look()
        return Effect.sync(() => listeners.delete(look))
      }),
    pause: Effect.sync(() => void child.kill("SIGSTOP")),
    resume: Effect.sync(() => void child.kill("SIGCONT")),
    kill: kill(child)
  }
  yield* self.await("Ready")
  self.order({ _tag: "Open", url })
  yield* self.await("Opened")
  return self
})

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
