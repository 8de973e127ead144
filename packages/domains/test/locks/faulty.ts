/**
 * Stores that fail in ways a test orders.
 */
import type { CacheBackend, CacheError } from "@tiercache/core"
import { Effect } from "effect"
import * as Inspect from "./inspect.ts"
import * as Stage from "./Stage.ts"

type Backend = CacheBackend.CacheBackend["Service"]
type Change = <A>(
  command: Effect.Effect<A, CacheError.CacheError>,
  script: string
) => Effect.Effect<A, CacheError.CacheError>

/** Puts something around every command. */
export const around =
  (change: Change) =>
  (backend: Backend): Backend => ({
    ...backend,
    run: (script, keys, args) => change(backend.run(script, keys, args), script.name)
  })

/** Counts the commands. */
export const counting = (counter: { commands: number }) =>
  around((command) =>
    Effect.suspend(() => {
      counter.commands++
      return command
    })
  )

/** Whether a lock has no holder and nobody waits for it. */
export const isFree = (backend: Backend, name: string) =>
  Effect.map(Inspect.counts(backend, Stage.keyOf(name)), ({ holders, waiters }) => holders === 0 && waiters === 0)
