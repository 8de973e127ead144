/**
 * Reads that this process may answer at once, as Effects.
 *
 * `Effect.suspend` around `Effect.succeed` takes a fiber several steps, and costs more than the look-up. This looks when it is run, as
 * that does, but in a generator a hit is no step at all: `yield*` asks it for an iterator, and one that is done from the start hands
 * over the value without returning to the fiber.
 */
import { Effect, Effectable } from "effect"

/**
 * Of so many hits in a generator, one is a step of its fiber nevertheless: a fiber yields to others after a number of steps, and one
 * that only ever hits would never let in the write that it may be waiting for.
 */
const HITS_PER_STEP = 16

let hits = 0

/** Looks first; if there is nothing, or looking throws, it is what `otherwise` returns. */
export class Immediate<Id, A, E, R> extends Effectable.Class<A, E, R> {
  readonly #look: (id: Id) => A | undefined
  readonly #id: Id
  readonly #otherwise: () => Effect.Effect<A, E, R>

  constructor(look: (id: Id) => A | undefined, id: Id, otherwise: () => Effect.Effect<A, E, R>) {
    super()
    this.#look = look
    this.#id = id
    this.#otherwise = otherwise
  }

  asEffect(): Effect.Effect<A, E, R> {
    const value = this.#hit()
    return value === undefined ? this.#otherwise() : Effect.succeed(value)
  }

  override [Symbol.iterator](): Effect.EffectIterator<Effect.Effect<A, E, R>> {
    if (++hits % HITS_PER_STEP === 0) return super[Symbol.iterator]()
    const value = this.#hit()
    return value === undefined ? this.#otherwise()[Symbol.iterator]() : new Done(value)
  }

  #hit(): A | undefined {
    try {
      return this.#look(this.#id)
    } catch {
      // what is wrong with the id, `otherwise` finds out too, and says so as an error of the Effect
      return undefined
    }
  }
}

class Done<A> {
  readonly done = true
  readonly value: A
  constructor(value: A) {
    this.value = value
  }
  next(): this {
    return this
  }
}
