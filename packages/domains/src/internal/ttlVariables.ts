/**
 * `CACHE_TTL_<DOMAIN>_<TYPE>`: which there are, and which somebody meant who has mistyped one.
 */

/** What has a TTL of its own that can be overridden: `domain:type`, for OAuth with the kind of token. */
export const NAMES = [
  "user:profile",
  "user:settings",
  "auth:session",
  "auth:token",
  "auth:oauth_state",
  "auth:oauth:access_token",
  "auth:oauth:refresh_token",
  "broker:health",
  "broker:connection",
  "broker:credentials",
  "vb:adapter",
  "vb:account_list",
  "vb:balance",
  "vb:position",
  "account:balance",
  "order:status",
  "position:list",
  "trading:portfolio",
  "market:quote",
  "market:bar",
  "api:response"
] as const

export type Name = (typeof NAMES)[number]

export const PREFIX = "CACHE_TTL"

export const variableOf = (name: Name): string => `${PREFIX}_${name.toUpperCase().replaceAll(":", "_")}`

const VARIABLES: ReadonlyArray<string> = NAMES.map(variableOf)

/** The variable that is most like an unknown one. */
export const nearest = (unknown: string): string =>
  VARIABLES.reduce((best, variable) => (distance(unknown, variable) < distance(unknown, best) ? variable : best))

/** How many characters have to be inserted or deleted: who leaves out a part of a name is nearer than who writes another one. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  // nobody mistypes that much
  for (const [index, char] of from.slice(0, 100).split("").entries()) {
    const next = [index + 1]
    for (let column = 1; column <= to.length; column++) {
      const changed = 1 + Math.min(row[column] ?? 0, next[column - 1] ?? 0)
      next.push(char === to[column - 1] ? (row[column - 1] ?? 0) : changed)
    }
    row = next
  }
  return row[to.length] ?? 0
}
