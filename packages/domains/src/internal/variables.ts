/**
 * Reads the variables of the environment, each with its rule, and collects what is wrong instead of stopping at it.
 */
import { Duration, Predicate, Result } from "effect"

/** A variable, for people. */
export interface Variable {
  readonly name: string
  /** What its value may be. */
  readonly allowed: string
  /** What counts unless it is given, as it would be written; a text in parentheses if that is no fixed value. */
  readonly fallback: string
  readonly description: string
}

/** What a value is, or what it has to be. */
type Parsed<A> = Result.Result<A, string>

export interface Variables {
  readonly flag: (name: string, fallback: boolean, description: string) => boolean
  readonly integer: (name: string, most: number, fallback: number, description: string) => number
  /** From 0 to 1. */
  readonly share: (name: string, fallback: number, description: string) => number
  readonly duration: (name: string, range: Range, fallback: number, description: string) => Duration.Duration
  readonly choice: <A extends string>(
    name: string,
    choices: ReadonlyArray<A>,
    fallback: string,
    description: string
  ) => A | undefined
  /** `parse` throws an `Error` for what it refuses, whose message may say why. It does not quote the value if that is secret. */
  readonly text: <A>(
    variable: Variable & { readonly isSecret?: boolean | undefined },
    parse: (text: string) => A
  ) => A | undefined
  /** Says that something is wrong that concerns no single value. */
  readonly refuse: (problem: string) => void
}

/** In which unit a duration above zero is written, and how long it may be. */
interface Range {
  readonly unit: "seconds" | "hours" | "milliseconds"
  readonly most: number
}

/** What `variables` and `problems` tell once all has been read. */
export interface Read {
  readonly variables: ReadonlyArray<Variable>
  readonly problems: ReadonlyArray<string>
}

const TRUE: ReadonlySet<string> = new Set(["true", "1", "yes", "on"])
const FALSE: ReadonlySet<string> = new Set(["false", "0", "no", "off"])

/** Neither signs nor exponents nor hexadecimal digits: who writes those has made a mistake. */
const NUMBER = /^\d{1,15}(\.\d{1,15})?$/

/** Longer values are cut in messages. */
const MAX_QUOTED = 40

export const make = (texts: ReadonlyMap<string, string>): Variables & Read => {
  const variables: Array<Variable> = []
  const problems: Array<string> = []

  /** The value of a variable, `undefined` if it is not given or refused. */
  const read = <A>(
    variable: Variable,
    parse: (text: string) => Parsed<A>,
    quote: (text: string) => string = quoted
  ): A | undefined => {
    variables.push(variable)
    const text = texts.get(variable.name)?.trim() ?? ""
    if (text === "") return undefined
    const parsed = parse(text)
    if (Result.isSuccess(parsed)) return parsed.success
    problems.push(`${variable.name}${quote(text)} ${parsed.failure}`)
    return undefined
  }

  const readNumber = (variable: Variable, isAllowed: (value: number) => boolean) =>
    read(variable, (text) => {
      const value = NUMBER.test(text) ? Number(text) : NaN
      return isAllowed(value) ? Result.succeed(value) : Result.fail(`is not ${variable.allowed}`)
    })

  return {
    variables,
    problems,
    refuse: (problem) => void problems.push(problem),
    flag: (name, fallback, description) => {
      const allowed = "true or false (also 1 or 0, yes or no, on or off)"
      const flag = read<boolean>({ name, allowed, fallback: String(fallback), description }, (text) => {
        const lower = text.toLowerCase()
        if (TRUE.has(lower)) return Result.succeed(true)
        return FALSE.has(lower) ? Result.succeed(false) : Result.fail(`is not ${allowed}`)
      })
      return flag ?? fallback
    },
    integer: (name, most, fallback, description) => {
      const allowed = `an integer from 1 to ${most}`
      const variable = { name, allowed, fallback: String(fallback), description }
      return readNumber(variable, (value) => Number.isInteger(value) && value >= 1 && value <= most) ?? fallback
    },
    share: (name, fallback, description) => {
      const variable = { name, allowed: "a number from 0 to 1", fallback: String(fallback), description }
      return readNumber(variable, (value) => value >= 0 && value <= 1) ?? fallback
    },
    duration: (name, { most, unit }, fallback, description) => {
      const allowed = `a number of ${unit} above 0 and up to ${most}`
      const variable = { name, allowed, fallback: String(fallback), description }
      const durationOf = (amount: number) => Duration.fromInputUnsafe({ [unit]: amount })
      // of a tiny amount nothing is left
      const isAllowed = (value: number) => Duration.isPositive(durationOf(value)) && value <= most
      return durationOf(readNumber(variable, isAllowed) ?? fallback)
    },
    choice: (name, choices, fallback, description) => {
      const allowed = choices.join(", ").replace(/, (?=[^,]*$)/, " or ")
      return read({ name, allowed, fallback, description }, (text) => {
        const choice = choices.find((choice) => choice === text.toLowerCase())
        return choice === undefined ? Result.fail(`is not ${allowed}`) : Result.succeed(choice)
      })
    },
    text: ({ isSecret = false, ...variable }, parse) =>
      read(
        variable,
        (text) =>
          Result.try({
            try: () => parse(text),
            catch: (error) => {
              const why = Predicate.isError(error) && error.message !== "" ? `: ${error.message}` : ""
              return `is not ${variable.allowed}${why}`
            }
          }),
        isSecret ? () => "" : quoted
      )
  }
}

const quoted = (text: string): string => {
  const cut = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text
  return `=${JSON.stringify(cut)}`
}
