import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { CacheConfig, Domains, OAuthTtl } from "@tiercache/domains"
import { ConfigProvider, Duration, Effect, Redacted } from "effect"
import * as fc from "fast-check"

type Environment = Readonly<Record<string, string>>

const parse = (env: Environment) => CacheConfig.config.parse(ConfigProvider.fromEnv({ env }))

/** The lines of the error. */
const problemsOf = (env: Environment) =>
  Effect.map(Effect.flip(parse(env)), ({ message }) => message.split("\n").slice(1, -1))

const keys = `k1:${randomBytes(32).toString("base64")}`

describe("CacheConfig", () => {
  it.effect("has the documented defaults", () =>
    Effect.gen(function* () {
      const { redisUrl, ...config } = yield* parse({})
      assert.strictEqual(Redacted.value(redisUrl), "redis://127.0.0.1:6379")
      assert.deepStrictEqual(config, {
        enabled: true,
        environment: "development",
        keyPrefix: "tradecore",
        defaultTtl: Duration.seconds(300),
        backend: "memory",
        secretKeys: undefined,
        scanCount: 100,
        pipelineMaxSize: 100,
        cleanup: { onStartup: true, batchSize: 1000, interval: Duration.hours(6), maxAge: Duration.hours(24) },
        vb: { clearOnDisconnect: true, clearOnReset: true, clearOnDelete: true },
        broker: { clearOnDisconnect: true, clearOnAuthFail: true, aggressiveCleanup: true },
        metricsEnabled: true,
        logSlowOps: true,
        slowOpThreshold: Duration.millis(50),
        logHits: false,
        logMisses: true,
        logKeys: false,
        debugMode: false,
        bypassCache: false,
        fakeMissRate: 0,
        ttls: new Map()
      })
    })
  )

  const given: ReadonlyArray<
    readonly [variable: string, text: string, read: (config: CacheConfig.CacheConfig) => unknown, value: unknown]
  > = [
    ["CACHE_ENABLED", "false", (config) => config.enabled, false],
    ["CACHE_ENVIRONMENT", "staging", (config) => config.environment, "staging"],
    ["NODE_ENV", "test", (config) => config.environment, "test"],
    ["CACHE_KEY_PREFIX", "shop:eu", (config) => config.keyPrefix, "shop:eu"],
    ["CACHE_DEFAULT_TTL", "60", (config) => config.defaultTtl, Duration.seconds(60)],
    ["CACHE_BACKEND", "tiered", (config) => config.backend, "tiered"],
    ["REDIS_URL", "redis://r:1", (config) => Redacted.value(config.redisUrl), "redis://r:1"],
    ["CACHE_SECRET_KEYS", keys, (config) => config.secretKeys?.ids, ["k1"]],
    ["REDIS_SCAN_COUNT", "7", (config) => config.scanCount, 7],
    ["REDIS_PIPELINE_MAX_SIZE", "8", (config) => config.pipelineMaxSize, 8],
    ["CACHE_CLEANUP_ON_STARTUP", "no", (config) => config.cleanup.onStartup, false],
    ["CACHE_CLEANUP_BATCH_SIZE", "9", (config) => config.cleanup.batchSize, 9],
    ["CACHE_CLEANUP_INTERVAL_HOURS", "0.5", (config) => config.cleanup.interval, Duration.minutes(30)],
    ["CACHE_CLEANUP_MAX_AGE_HOURS", "48", (config) => config.cleanup.maxAge, Duration.hours(48)],
    ["CACHE_VB_CLEAR_ON_DISCONNECT", "0", (config) => config.vb.clearOnDisconnect, false],
    ["CACHE_VB_CLEAR_ON_RESET", "off", (config) => config.vb.clearOnReset, false],
    ["CACHE_VB_CLEAR_ON_DELETE", "False", (config) => config.vb.clearOnDelete, false],
    ["CACHE_BROKER_CLEAR_ON_DISCONNECT", "NO", (config) => config.broker.clearOnDisconnect, false],
    ["CACHE_BROKER_CLEAR_ON_AUTH_FAIL", "Off", (config) => config.broker.clearOnAuthFail, false],
    ["CACHE_BROKER_AGGRESSIVE_CLEANUP", " false ", (config) => config.broker.aggressiveCleanup, false],
    ["CACHE_METRICS_ENABLED", "false", (config) => config.metricsEnabled, false],
    ["CACHE_LOG_SLOW_OPS", "false", (config) => config.logSlowOps, false],
    ["CACHE_SLOW_OP_THRESHOLD_MS", "2.5", (config) => config.slowOpThreshold, Duration.millis(2.5)],
    ["CACHE_LOG_HITS", "true", (config) => config.logHits, true],
    ["CACHE_LOG_MISSES", "false", (config) => config.logMisses, false],
    ["CACHE_LOG_KEYS", "1", (config) => config.logKeys, true],
    ["CACHE_DEBUG_MODE", "yes", (config) => config.debugMode, true],
    ["CACHE_BYPASS_CACHE", "ON", (config) => config.bypassCache, true],
    ["CACHE_FAKE_MISS_RATE", "0.25", (config) => config.fakeMissRate, 0.25],
    ["CACHE_TTL_MARKET_QUOTE", "2", (config) => config.ttls, new Map([["market:quote", Duration.seconds(2)]])]
  ]

  it.effect.each(given)("reads %s=%s", ([variable, text, read, value]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(read(yield* parse({ [variable]: text })), value)
    })
  )

  it("has a case for each variable", () => {
    const variables = [...CacheConfig.variables.map(({ name }) => name), "CACHE_TTL_MARKET_QUOTE"]
    assert.sameMembers(
      given.map(([variable]) => variable),
      variables
    )
  })

  it.effect("takes an empty text for none", () =>
    Effect.gen(function* () {
      const env = Object.fromEntries(CacheConfig.variables.map(({ name }) => [name, " "]))
      assert.deepStrictEqual(yield* parse(env), yield* parse({}))
    })
  )

  it.effect("reads from any provider", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({ CACHE_LOG_HITS: true, CACHE_TTL_MARKET_QUOTE: 2 })
      const config = yield* CacheConfig.config.parse(provider)
      assert.isTrue(config.logHits)
      assert.deepStrictEqual(config.ttls, new Map([["market:quote", Duration.seconds(2)]]))
    })
  )

  const refused: ReadonlyArray<readonly [variable: string, text: string]> = [
    ["CACHE_ENABLED", "2"],
    ["CACHE_ENVIRONMENT", "prod"],
    ["CACHE_KEY_PREFIX", "shop::eu"],
    ["CACHE_DEFAULT_TTL", "soon"],
    ["CACHE_DEFAULT_TTL", "0"],
    ["CACHE_DEFAULT_TTL", "-1"],
    ["CACHE_DEFAULT_TTL", "1e3"],
    ["CACHE_DEFAULT_TTL", "0x10"],
    ["CACHE_DEFAULT_TTL", "4000000000"],
    ["CACHE_DEFAULT_TTL", "0.000000000000001"],
    ["CACHE_BACKEND", "memcached"],
    ["REDIS_URL", "http://host"],
    ["REDIS_URL", "redis://host/one"],
    ["REDIS_URL", "redis://host/-1"],
    ["REDIS_URL", "redis://user:p%zz@host"],
    ["REDIS_URL", "redis://host?commandTimeout=1"],
    ["REDIS_URL", "redis://host?family=four"],
    ["REDIS_URL", "redis://user:pass#word@host"],
    ["CACHE_SECRET_KEYS", "no keys"],
    ["REDIS_SCAN_COUNT", "0"],
    ["REDIS_SCAN_COUNT", "1.5"],
    ["REDIS_PIPELINE_MAX_SIZE", "5001"],
    ["CACHE_CLEANUP_BATCH_SIZE", "many"],
    ["CACHE_CLEANUP_INTERVAL_HOURS", "0"],
    ["CACHE_CLEANUP_MAX_AGE_HOURS", "9000"],
    ["CACHE_SLOW_OP_THRESHOLD_MS", "NaN"],
    ["CACHE_FAKE_MISS_RATE", "1.01"],
    ["CACHE_FAKE_MISS_RATE", "-0.1"],
    ["CACHE_LOG_HITS", "maybe"],
    ["CACHE_CLEANUP_INTERVAL_HOURS", "0.000000000000001"],
    ["CACHE_SLOW_OP_THRESHOLD_MS", "0.000000000000001"],
    ["CACHE_TTL_MARKET_QUOTE", "0"],
    ["CACHE_TTL_MARKET_QUOTE", "0.000000000000001"]
  ]

  it.effect.each(refused)("refuses %s=%s, and says what is allowed", ([variable, text]) =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({ [variable]: text })
      assert.lengthOf(problems, 1)
      const [problem = ""] = problems
      assert.include(problem, variable)
      const allowed = CacheConfig.variables.find(({ name }) => name === variable)?.allowed ?? "a number of seconds"
      assert.include(problem, allowed)
    })
  )

  it.effect("names all that is wrong at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        parse({
          CACHE_BACKEND: "memcached",
          CACHE_DEFAULT_TTL: "soon",
          CACHE_LOG_HITS: "maybe",
          CACHE_TTL_MARKET_QUOT: "5",
          NODE_ENV: "production",
          REDIS_URL: "redis://"
        })
      )
      assert.strictEqual(
        error.cause.message,
        `the configuration is refused:
- CACHE_DEFAULT_TTL="soon" is not a number of seconds above 0 and up to 3155760000
- CACHE_BACKEND="memcached" is not memory, redis or tiered
- REDIS_URL is not redis://[[user]:password@]host[:port][/db], or rediss:// for TLS
- CACHE_LOG_HITS="maybe" is not true or false (also 1 or 0, yes or no, on or off)
- CACHE_TTL_MARKET_QUOT is not known; did you mean CACHE_TTL_MARKET_QUOTE?
`
      )
    })
  )

  it.effect("cuts long values in messages", () =>
    Effect.gen(function* () {
      const [problem = ""] = yield* problemsOf({ CACHE_DEFAULT_TTL: "9".repeat(5000) })
      assert.isBelow(problem.length, 200)
    })
  )
})

describe("CACHE_BACKEND", () => {
  it.effect("is tiered where REDIS_URL is given, and else memory", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* parse({ REDIS_URL: "redis://r" })).backend, "tiered")
      assert.strictEqual((yield* parse({ REDIS_URL: "redis://r", CACHE_BACKEND: "memory" })).backend, "memory")
      assert.strictEqual((yield* parse({ CACHE_BACKEND: "redis" })).backend, "redis")
    })
  )
})

describe("CACHE_ENVIRONMENT", () => {
  it.effect("counts more than NODE_ENV, of which an unknown one is development", () =>
    Effect.gen(function* () {
      const environmentOf = (env: Environment) => Effect.map(parse(env), ({ environment }) => environment)
      assert.strictEqual(yield* environmentOf({ NODE_ENV: "production" }), "production")
      assert.strictEqual(
        yield* environmentOf({ NODE_ENV: "Production", CACHE_SECRET_KEYS: keys, CACHE_BACKEND: "redis" }),
        "production"
      )
      assert.strictEqual(yield* environmentOf({ NODE_ENV: "production", CACHE_ENVIRONMENT: "Test" }), "test")
      assert.strictEqual(yield* environmentOf({ NODE_ENV: "ci" }), "development")
    })
  )
})

describe("CACHE_SECRET_KEYS", () => {
  it.effect("are needed in production, unless nothing leaves the process", () =>
    Effect.gen(function* () {
      const production = { CACHE_ENVIRONMENT: "production", CACHE_BACKEND: "redis" }
      const problems = yield* problemsOf(production)
      assert.lengthOf(problems, 1)
      assert.include(problems[0], "CACHE_SECRET_KEYS is missing")
      yield* parse({ ...production, CACHE_BACKEND: "memory" })
      yield* parse({ ...production, CACHE_ENABLED: "false" })
      yield* parse({ ...production, CACHE_ENVIRONMENT: "staging" })
      assert.deepStrictEqual((yield* parse({ ...production, CACHE_SECRET_KEYS: keys })).secretKeys?.ids, ["k1"])
    })
  )

  it.effect("that are refused are told of once", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        CACHE_ENVIRONMENT: "production",
        CACHE_BACKEND: "redis",
        CACHE_SECRET_KEYS: "k1:AAAA"
      })
      assert.lengthOf(problems, 1)
      assert.include(problems[0], "key 1 has 3 bytes; it needs 32")
    })
  )
})

describe("CACHE_TTL_<DOMAIN>_<TYPE>", () => {
  it("is there for each kind of data, for OAuth for each kind of token", () => {
    const names = Object.keys(Domains.entities).flatMap((name) =>
      name === "auth:oauth" ? OAuthTtl.Kind.literals.map((kind) => `${name}:${kind}`) : [name]
    )
    assert.sameMembers([...CacheConfig.ttlVariables.keys()], names)
  })

  it.effect("is read for each", () =>
    Effect.gen(function* () {
      const variables = [...CacheConfig.ttlVariables]
      const env = Object.fromEntries(variables.map(([, variable], index) => [variable, String(index + 1)]))
      const { ttls } = yield* parse(env)
      assert.deepStrictEqual(ttls, new Map(variables.map(([name], index) => [name, Duration.seconds(index + 1)])))
      assert.strictEqual(CacheConfig.ttlVariables.get("auth:oauth:access_token"), "CACHE_TTL_AUTH_OAUTH_ACCESS_TOKEN")
    })
  )

  it.effect("is refused where there is none, with the nearest that is", () =>
    Effect.gen(function* () {
      const nearest = {
        CACHE_TTL_MARKET_QUOT: "CACHE_TTL_MARKET_QUOTE",
        CACHE_TTL_MARKET_QUOTES: "CACHE_TTL_MARKET_QUOTE",
        CACHE_TTL_OAUTH_STATE: "CACHE_TTL_AUTH_OAUTH_STATE",
        // the beginning of others
        CACHE_TTL_AUTH_OAUTH: "CACHE_TTL_AUTH_OAUTH_STATE",
        CACHE_TTL_ACCOUNT_BALLANCE: "CACHE_TTL_ACCOUNT_BALANCE"
      }
      const env = Object.fromEntries(Object.keys(nearest).map((name) => [name, "5"]))
      assert.sameMembers(
        yield* problemsOf({ ...env, CACHE_TTL_AUTH_OAUTH_STATE: "5" }),
        Object.entries(nearest).map(([name, near]) => `- ${name} is not known; did you mean ${near}?`)
      )
    })
  )
})

describe("secrets", () => {
  const runs = process.env.TIERCACHE_TEST_FULL === "1" ? 2000 : 100
  /** Long enough not to stand in a message by chance. */
  const secret = fc.stringMatching(/^[A-Za-z0-9+/=:,@ ]{12,40}$/).map((text) => `S3cret${text}S3cret`)

  it("never stand in messages", () =>
    fc.assert(
      fc.asyncProperty(secret, fc.constantFrom("redis://u:", "http://", "rediss:", ""), async (text, scheme) => {
        const env = {
          REDIS_URL: `${scheme}${text}`,
          CACHE_SECRET_KEYS: `id:${text},${text}`,
          CACHE_BACKEND: "none"
        }
        const error = await Effect.runPromise(Effect.flip(parse(env)))
        for (const shown of [error.message, String(error), JSON.stringify(error)]) assert.notInclude(shown, text)
      }),
      { numRuns: runs }
    ))

  it.effect("do not show in the configuration", () =>
    Effect.gen(function* () {
      const config = yield* parse({ REDIS_URL: "redis://u:S3cret@r", CACHE_SECRET_KEYS: keys })
      assert.notInclude(JSON.stringify(config), "S3cret")
      assert.notInclude(JSON.stringify(config), keys.slice(3))
    })
  )
})
