/**
 * The configuration of a cache, from the variables of the environment; docs/configuration.md lists them.
 *
 * **Details**
 *
 * Read by Effect's `Config`, so that any `ConfigProvider` can stand in for the environment. What is wrong is told all at once, in
 * one `Config.ConfigError` that names each variable and what it may be. It quotes neither `REDIS_URL` nor `CACHE_SECRET_KEYS`.
 */
import type { Secrets } from "@tiercache/core"
import { Config, Duration, Effect, Option, type Redacted, Schema, SchemaIssue } from "effect"
import * as Settings from "./internal/settings.ts"
import * as TtlVariables from "./internal/ttlVariables.ts"
import * as Variables from "./internal/variables.ts"

export type { Variable } from "./internal/variables.ts"

export interface CacheConfig {
  readonly enabled: boolean
  readonly environment: Environment
  readonly keyPrefix: string
  readonly defaultTtl: Duration.Duration
  readonly backend: Backend
  readonly redisUrl: Redacted.Redacted
  readonly secretKeys: Secrets.KeyRing | undefined
  readonly scanCount: number
  readonly pipelineMaxSize: number
  readonly cleanup: {
    readonly onStartup: boolean
    readonly batchSize: number
    readonly interval: Duration.Duration
    readonly maxAge: Duration.Duration
  }
  readonly vb: {
    readonly clearOnDisconnect: boolean
    readonly clearOnReset: boolean
    readonly clearOnDelete: boolean
  }
  readonly broker: {
    readonly clearOnDisconnect: boolean
    readonly clearOnAuthFail: boolean
    readonly aggressiveCleanup: boolean
  }
  readonly metricsEnabled: boolean
  readonly logSlowOps: boolean
  readonly slowOpThreshold: Duration.Duration
  readonly logHits: boolean
  readonly logMisses: boolean
  readonly logKeys: boolean
  readonly debugMode: boolean
  readonly bypassCache: boolean
  readonly fakeMissRate: number
  /** The overrides that are given. */
  readonly ttls: ReadonlyMap<TtlName, Duration.Duration>
}

/** A kind of data whose TTL can be overridden: `domain:type`, for OAuth with the kind of token. */
export type TtlName = TtlVariables.Name

export type Backend = (typeof Settings.BACKENDS)[number]
export type Environment = (typeof Settings.ENVIRONMENTS)[number]

/** Every variable, in the order in which the documentation lists them; those of the TTLs have a list of their own. */
export const variables: ReadonlyArray<Variables.Variable> = (() => {
  const none = Variables.make(new Map())
  Settings.read(none)
  return none.variables
})()

/** The variable of each TTL, such as `CACHE_TTL_MARKET_QUOTE`. */
export const ttlVariables: ReadonlyMap<TtlName, string> = new Map(
  TtlVariables.NAMES.map((name) => [name, TtlVariables.variableOf(name)])
)

/** What is wrong is told all at once, in the message of the error. */
export const parse = (texts: ReadonlyMap<string, string>): Effect.Effect<CacheConfig, Config.ConfigError> =>
  Effect.suspend(() => {
    const from = Variables.make(texts)
    const settings = Settings.read(from)
    const ttls = new Map<TtlName, Duration.Duration>()
    for (const [name, variable] of ttlVariables) {
      const ttl = from.duration(variable, Settings.TTL, 0, "")
      if (Duration.isPositive(ttl)) ttls.set(name, ttl)
    }
    const known = new Set(ttlVariables.values())
    for (const name of texts.keys()) {
      if (!name.startsWith(`${TtlVariables.PREFIX}_`) || known.has(name)) continue
      from.refuse(`${name} is not known; did you mean ${TtlVariables.nearest(name)}?`)
    }
    if (lacksKeys(settings, texts)) {
      from.refuse(`CACHE_SECRET_KEYS is missing, which production needs unless CACHE_BACKEND is memory`)
    }
    return from.problems.length === 0 ? Effect.succeed({ ...settings, ttls }) : Effect.fail(refusal(from.problems))
  })

/** Keys that are given and refused have been told of already. */
const lacksKeys = ({ backend, enabled, environment }: Omit<CacheConfig, "ttls">, texts: ReadonlyMap<string, string>) =>
  enabled &&
  environment === "production" &&
  backend !== "memory" &&
  (texts.get("CACHE_SECRET_KEYS") ?? "").trim() === ""

const refusal = (problems: ReadonlyArray<string>) => {
  const message = `the configuration is refused:\n${problems.map((problem) => `- ${problem}`).join("\n")}\n`
  return new Config.ConfigError(new Schema.SchemaError(new SchemaIssue.InvalidValue({ message })))
}

/** What stands below a path of a provider that splits names at `_`. */
type Tree = string | { readonly [name: string]: Tree }
const Tree: Schema.Codec<Tree> = Schema.Union([
  Schema.Record(
    Schema.String,
    Schema.suspend(() => Tree)
  ),
  Schema.String
])

/** The names of all variables that begin with `CACHE_TTL_`, and of some that are only the beginning of one. */
const namesBelow = (tree: Tree, path: string): ReadonlyArray<string> =>
  typeof tree === "string"
    ? [path]
    : [path, ...Object.entries(tree).flatMap(([name, below]) => namesBelow(below, `${path}_${name}`))]

const ttlNames: Config.Config<ReadonlyArray<string>> = Config.map(
  Config.option(Config.schema(Tree, TtlVariables.PREFIX.split("_"))),
  Option.match({ onNone: () => [], onSome: (tree) => namesBelow(tree, TtlVariables.PREFIX) })
)

const textsOf = (names: Iterable<string>): Config.Config<ReadonlyMap<string, string>> =>
  Config.map(
    Config.all(
      [...new Set(names)].map((name) =>
        Config.map(Config.option(Config.String(name)), (text) => [name, Option.getOrUndefined(text)] as const)
      )
    ),
    (texts) => new Map(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const])))
  )

/**
 * The configuration that the environment gives.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { CacheConfig } from "@tiercache/domains"
 * import { ConfigProvider, Duration, Effect } from "effect"
 *
 * const env = { CACHE_TTL_MARKET_QUOTE: "2", CACHE_LOG_HITS: "yes" }
 * const config = await Effect.runPromise(CacheConfig.config.parse(ConfigProvider.fromEnv({ env })))
 * config.logHits // => true
 * config.ttls.get("market:quote") // => Duration.seconds(2)
 * config.backend // => "memory"
 * ```
 */
export const config: Config.Config<CacheConfig> = ttlNames.pipe(
  Config.flatMap((names) => textsOf([...variables.map(({ name }) => name), ...ttlVariables.values(), ...names])),
  Config.mapEffect(parse)
)
