/**
 * Random choices that a seed repeats.
 */
export interface Random {
  readonly integer: (least: number, most: number) => number
  readonly pick: <const A>(choices: readonly [A, ...ReadonlyArray<A>]) => A
  readonly chance: (probability: number) => boolean
}

/** A linear congruential generator, with the constants of Numerical Recipes; its high bits are random enough to choose tests. */
export const make = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    integer,
    pick: (choices) => choices[integer(0, choices.length - 1)] ?? choices[0],
    chance: (probability) => next() < probability
  }
}
