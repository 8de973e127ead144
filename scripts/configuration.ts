/**
 * Writes docs/configuration.md from the list of variables. A test fails if the file is not what this would write.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as CacheConfig from "../packages/domains/src/CacheConfig.ts"

/** As oxfmt would lay it out. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))
  const [head = [], ...body] = escaped
  const widths = head.map((_, column) => Math.max(...escaped.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

const code = (text: string): string => (text.startsWith("(") ? text.slice(1, -1) : `\`${text}\``)

/** The page. */
export const markdown = `# Configuration

<!-- Written by scripts/configuration.ts (\`pnpm docs:configuration\`). Change the list that it reads instead. -->

\`TierCache.layerConfig\` reads these variables of the environment, through Effect's \`Config\`, so that any \`ConfigProvider\` can take
its place. A variable that is empty counts as not given. If values are refused, one error names all of them, and what is allowed. It
quotes neither \`REDIS_URL\` nor \`CACHE_SECRET_KEYS\`.

${table([
  ["variable", "value", "unless given", "what it does"],
  ...CacheConfig.variables.map(({ allowed, description, fallback, name }) => [
    `\`${name}\``,
    allowed,
    code(fallback),
    description
  ])
])}

## TTLs

The TTL of a kind of data, in seconds, overrides that of its entity. A variable that begins with \`CACHE_TTL_\` and is none of these is
an error, which names the nearest.

${table([
  ["variable", "kind of data"],
  ...[...CacheConfig.ttlVariables].map(([name, variable]) => [`\`${variable}\``, `\`${name}\``])
])}

## What the switches do

- \`CACHE_ENABLED=false\`: nothing is read or stored, and writes answer that nothing was written. Every load runs; callers of one key in one
  process still share it. No connection to Redis is made. Locks and limits hold in this process only, which a warning in the log says.
- \`CACHE_BYPASS_CACHE\`: reads find nothing and every load runs. What a load brings goes to its callers and is not stored; what the store
  has stays there. Writes and deletes reach the store and the L1s of other processes, which go on reading. Listing and deleting by
  pattern or tag work as ever, and so do counters, locks and limits.
- \`CACHE_FAKE_MISS_RATE\`: that share of the reads of values finds nothing. A load then runs, and what it brings is stored. Effect's
  \`Random\` decides, so that a seed makes it repeatable.
- What is logged goes to Effect's loggers, with annotations: \`cache.operation\`, \`cache.millis\`, \`cache.outcome\`, \`cache.domain\`,
  \`cache.type\`, \`cache.key\`, \`cache.keyCount\`. Hits, misses and all operations are at level debug, which Effect leaves out unless told
  otherwise; slow operations are warnings.
- \`CACHE_LOG_KEYS\`: keys of secret data stay out, and so do those of which no read or write has told this process yet that they are not
  secret. It also adds the key to the message of an error about one key. Without it no message contains a key.
- \`CACHE_METRICS_ENABLED=false\`: the metrics stay at zero.

The same switches are an option of every cache, \`switches\`, for those who do not configure it by the environment; but then connections
to Redis are made although the cache is disabled.
`

if (import.meta.main) writeFileSync(join(import.meta.dirname, "..", "docs", "configuration.md"), markdown)
