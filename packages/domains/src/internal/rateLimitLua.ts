/**
 * How the Lua of an algorithm becomes a script, and what all these scripts have in common.
 *
 * It is written for speed, since all that waits for Redis waits for its scripts: a function that is made, a table in the reply or a
 * number that is turned into text without need each cost as much as a tenth of a decision. Arithmetic reads texts as numbers, so
 * that `ARGV[at] + 0` is one without a call.
 */
import { luaNow } from "./luaNow.ts"
import { BLOCKED } from "./rateLimitAlgorithm.ts"

/**
 * An algorithm in parts that share their local variables. They are given the time (`now`, in microseconds), their `key`, where their
 * arguments begin in ARGV (`at`), and how many these are (`size`).
 */
export interface Lua {
  /** Reads the key. What is there, if it is not of this algorithm, is `other`. */
  readonly read: string
  /** Finds out whether what is asked for is `granted`. */
  readonly decide: string
  /** Counts, if it was granted and is to be counted (`take`). */
  readonly count: string
  /** The expression of the reply: a table of integers, or one integer, for `Algorithm.reply`. */
  readonly reply: string
}

/** The time of the server, or the one that tests give as the last argument. */
export const NOW = luaNow("#ARGV")

/** A block is kept in place of the count, as `b:{end}:{length}`: no decision has to look for it elsewhere. */
const BLOCK_PATTERN = "^b:(%d+):(%d+)$"

/** Lua that denies everything under `key` for a `length` of microseconds. */
export const WRITE_BLOCK = `
redis.call('SET', key, string.format('b:%.0f:%.0f', now + length, length), 'PX', math.ceil(length / 1000))
`

/**
 * What is under a key and is not what is looked for there (`other`) may be a block: how much of it is `left`, if so. One that
 * lasts longer than it was meant to, because the clock was set back, begins again.
 */
export const FIND_BLOCK = `
local left
if other and type(other) == 'string' then
  local ends, length = string.match(other, '${BLOCK_PATTERN}')
  left = ends and ends - now or 0
  if left <= 0 then
    left = nil
  elseif left > length + 0 then
    length = length + 0
    left = length
    ${WRITE_BLOCK}
  end
end
`

/**
 * Integers as texts in Lua: `%d` takes half as long as `%.0f`, but not more than 31 bits where Redis was built for 32. The first is for
 * any, the second for those that mostly need no more.
 */
export const longText = (integer: string): string =>
  `string.format('%d%08d', (${integer} - ${integer} % 100000000) / 100000000, ${integer} % 100000000)`

/** See `longText`. */
export const text = (integer: string): string => `string.format(${integer} < 2147483648 and '%d' or '%.0f', ${integer})`

/** One of the policies of a script. What is not granted to one on trial is counted all the same. */
export interface Part {
  readonly algorithm: string
  readonly lua: Lua
  readonly isShadow: boolean
}

/** The script of policies. */
export const of = (parts: ReadonlyArray<Part>): string => {
  const [first] = parts
  return first !== undefined && parts.length === 1 ? ofOne(first) : ofAll(parts)
}

/** ARGV: the arguments of the policy; the time. It makes no functions, and its reply is that of the policy alone. */
const ofOne = ({ isShadow, lua: { count, decide, read, reply } }: Part): string => `${NOW}
local key, at, size = KEYS[1], 1, #ARGV - 1
${read}
${FIND_BLOCK}
if left then return { ${BLOCKED}, left } end
${decide}
local take = ${isShadow ? "true" : "granted"}
${count}
return ${reply}
`

/** ARGV: how many arguments each has; these arguments; the time. The reply has one for each. */
const ofAll = (parts: ReadonlyArray<Part>): string => {
  const functions = new Map(parts.map(({ algorithm, lua }) => [algorithm, functionOf(algorithm, lua)]))
  const decisions = parts.map(
    ({ algorithm }, index) => `
local granted${index}, finish${index} = ${algorithm}(KEYS[${index + 1}], at, ARGV[${index + 1}] + 0)
at = at + ARGV[${index + 1}]`
  )
  const denying = parts.flatMap(({ isShadow }, index) => (isShadow ? [] : [`granted${index}`]))
  return [
    NOW,
    ...functions.values(),
    `local at = ${parts.length + 1}`,
    ...decisions,
    `local take = ${denying.length === 0 ? "true" : denying.join(" and ")}`,
    `return { ${parts.map((_, index) => `finish${index}(take)`).join(", ")} }`
  ].join("\n")
}

/** Returns whether it is granted, and the function that is `Step.finish`. */
const functionOf = (name: string, { count, decide, read, reply }: Lua): string => `
local function ${name}(key, at, size)
${read}
${FIND_BLOCK}
if left then return false, function() return { ${BLOCKED}, left } end end
${decide}
return granted, function(take)
${count}
return ${reply}
end
end
`
