/** `main.ts` as its users run it: in a process of its own, whose output is not a terminal. */
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url))

export const start = (args: ReadonlyArray<string>, redisUrl?: string) => {
  const { NO_COLOR: _, REDIS_URL: __, ...env } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...env, ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }) },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const code = new Promise<number | null>((resolve) => child.once("close", resolve))
  const outcome = Promise.all([code, text(child.stdout), text(child.stderr)])
  return { child, outcome: outcome.then(([code, stdout, stderr]) => ({ code, stdout, stderr })) }
}

export const run = (args: ReadonlyArray<string>, redisUrl?: string) => start(args, redisUrl).outcome

const Percentiles = Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite })

/** What `--json` prints. */
const Document = Schema.Struct({
  stage: Schema.String,
  symbols: Schema.Array(Schema.String),
  seconds: Schema.Finite,
  quotesWritten: Schema.Finite,
  reads: Schema.Finite,
  errors: Schema.Finite,
  processes: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      reads: Schema.Finite,
      l1Hits: Schema.Finite,
      l2Hits: Schema.Finite,
      readMicros: Schema.NullOr(Percentiles),
      quoteAgeMillis: Schema.NullOr(Percentiles)
    })
  ),
  convergence: Schema.NullOr(Schema.Struct({ converged: Schema.Boolean, symbols: Schema.Finite }))
})

export const parse = Schema.decodeUnknownSync(Schema.fromJsonString(Document))
