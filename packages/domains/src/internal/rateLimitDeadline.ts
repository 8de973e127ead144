/**
 * The deadline of a policy: how long its store may take.
 *
 * It is waited for in parts. After a process stood still its timers fire before it reads what has arrived meanwhile, so that one
 * timer would call a store silent that is not, and an overloaded process would let everything through: like this it still has all
 * parts but one to read the answer.
 */
import { CacheError } from "@tiercache/core"
import { Clock, Context, Effect, Fiber } from "effect"

/** Fails with `Timeout` where an effect takes longer, and interrupts it. */
export type Within = <A>(
  millis: number,
  effect: Effect.Effect<A, CacheError.CacheError>
) => Effect.Effect<A, CacheError.CacheError>

const PARTS = 4

/** A timer of Node.js for longer fires at once. */
const MAX_TIMER_MILLIS = 2 ** 31 - 1

/** By a clock; that of a program which has installed none is asked for less, since a race takes longer than what it waits for. */
export const make = (clock: Clock.Clock): Within => (clock === liveClock ? byTimers : byClock)

const liveClock = Context.get(Context.empty(), Clock.Clock)

const late = Effect.suspend(() =>
  Effect.fail(CacheError.make("run", "Timeout", "the store did not answer within the policy's deadline"))
)

const byClock: Within = (millis, effect) => Effect.raceFirst(effect, afterParts(millis, PARTS))

const afterParts = (millis: number, parts: number): Effect.Effect<never, CacheError.CacheError> =>
  parts === 0 ? late : Effect.flatMap(Effect.sleep(millis / PARTS), () => afterParts(millis, parts - 1))

const byTimers: Within = <A>(millis: number, effect: Effect.Effect<A, CacheError.CacheError>) =>
  Effect.withFiber((parent: Fiber.Fiber<unknown, unknown>) =>
    Effect.callback<A, CacheError.CacheError>((resume) => {
      const fiber = Effect.runForkWith(parent.context)(effect)
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return resume(exit)
      const partMillis = Math.min(millis / PARTS, MAX_TIMER_MILLIS)
      let parts = PARTS
      const onPart = () => {
        parts--
        if (parts === 0) resume(Effect.andThen(Fiber.interrupt(fiber), late))
        else timer = setTimeout(onPart, partMillis)
      }
      let timer = setTimeout(onPart, partMillis)
      fiber.addObserver((exit) => {
        clearTimeout(timer)
        resume(exit)
      })
      return Fiber.interrupt(fiber)
    })
  )
