/**
 * What the tests of the contract of locks share.
 */
import { Deferred, Effect, type Scope } from "effect"
import type { Lock } from "@tiercache/domains"
import * as Scripts from "../../src/internal/lockScripts.ts"
import * as Inspect from "./inspect.ts"
import * as Stage from "./Stage.ts"

/** Registers one test, on a stage of its own or a common one; the name is of a lock that no other test uses. */
export type Test = (
  title: string,
  body: (stage: Stage.Stage, name: string) => Effect.Effect<void, unknown, Scope.Scope>
) => void

/** Long enough never to end in a test. */
export const LONG = { ttl: "1 hour", wait: "forever" } as const

/** Short enough to be waited for. */
export const SHORT = { ttl: "300 millis", wait: "forever" } as const

/** Holds a lock until it is told to let go. */
export const holding = Effect.fnUntraced(function* (
  process: Stage.Process,
  name: string,
  options: Lock.Options = LONG
) {
  const held = yield* Deferred.make<Lock.Held>()
  const letGo = yield* Deferred.make<void>()
  const section = process.lock.withLock(
    name,
    options
  )((lock) => Effect.andThen(Deferred.succeed(held, lock), Deferred.await(letGo)))
  const fiber = yield* Effect.forkChild(section, { startImmediately: true })
  return { fiber, held: Deferred.await(held), letGo: Deferred.succeed(letGo, undefined) }
})

export const waitersOf = (process: Stage.Process, name: string) =>
  Effect.map(Inspect.counts(process.backend, Stage.keyOf(name)), ({ waiters }) => waiters)

/** Asks as a process that dies then. */
export const askAndDie = (
  { backend }: Pick<Stage.Process, "backend">,
  key: string,
  ttlMillis: number,
  ask: Partial<Scripts.Ask> = {}
) =>
  backend.run(Scripts.ask, [key], {
    owner: "dead",
    permits: 1,
    limit: 1,
    ttlMillis,
    ticket: 0,
    waits: false,
    inTurn: true,
    ...ask
  })
