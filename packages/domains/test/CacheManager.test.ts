import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, Switches } from "@tiercache/core"
import { type Auth, CacheConfig, CacheManager, Lock, Maintenance } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { ConfigProvider, Context, DateTime, Deferred, Duration, Effect, Layer, Logger, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Population from "./clear/Population.ts"

const services = Layer.mergeAll(Cache.layer(), Maintenance.layer().pipe(Layer.provideMerge(Lock.layer())))

const memory: Layer.Layer<CacheBackend.CacheBackend, CacheError.CacheError> = Layer.suspend(() => MemoryBackend.layer())

const managerWith = (options: CacheManager.Options, backend: typeof memory = memory) =>
  CacheManager.layer({ cleanup: { onStartup: false }, ...options }).pipe(
    Layer.provideMerge(services),
    Layer.provideMerge(backend)
  )

const manager = managerWith({})

const secondsOf = (duration: Duration.Duration | undefined) => duration && Duration.toSeconds(duration)

const connection = { broker: "alpaca", user: "ada", connection: "conn-456" }
const account = { ...connection, account: "acct-1" }

const token = (expiresInSeconds?: number) =>
  Effect.map(DateTime.now, (now): Auth.OAuthToken => ({
    broker: "alpaca",
    kind: "access_token",
    value: Redacted.make("t0ken"),
    ...(expiresInSeconds === undefined ? {} : { expiresAt: DateTime.add(now, { seconds: expiresInSeconds }) })
  }))

describe("the caches of a manager", () => {
  it.effect("have the keys and TTLs of the entities", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      const cache = yield* Cache.Cache
      assert.isTrue(yield* tradecore.vb.adapterAccounts.set({ user: "user-123", connection: "conn-456" }, []))
      assert.strictEqual(secondsOf(yield* cache.ttl("vb:adapter:u:user-123:c:conn-456")), 60)
      assert.isTrue(yield* tradecore.position.list.set("acct-1", []))
      assert.strictEqual(secondsOf(yield* cache.ttl("position:list:acct-1")), 60)
    }).pipe(Effect.provide(manager))
  )

  it.effect("have the TTLs of the configuration instead", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      yield* tradecore.vb.accountList.set("ada", [])
      yield* tradecore.vb.position.set("acct-1", [])
      assert.strictEqual(secondsOf(yield* tradecore.vb.accountList.ttl("ada")), 7)
      assert.strictEqual(secondsOf(yield* tradecore.vb.position.ttl("acct-1")), 60)
      assert.strictEqual(secondsOf(tradecore.ttl("vb:account_list")), 7)
      assert.strictEqual(secondsOf(tradecore.ttl("vb", "account_list")), 7)
      assert.strictEqual(secondsOf(tradecore.ttl("market", "quote")), 5)
    }).pipe(Effect.provide(managerWith({ ttls: new Map([["vb:account_list", "7 seconds"]]) })))
  )

  it.effect("have, without a configuration, the TTLs of the entities", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      const seconds = (["market:quote", "market:bar", "user:profile", "auth:session", "api:response"] as const).map(
        (name) => secondsOf(tradecore.ttl(name))
      )
      assert.deepStrictEqual(seconds, [5, 60, 3600, 7200, 300])
      assert.throws(
        // @ts-expect-error who writes JavaScript may give anything
        () => tradecore.ttl("market:quot"),
        CacheError.CacheError
      )
    }).pipe(Effect.provide(manager))
  )
})

describe("OAuth tokens of a manager", () => {
  const id = { broker: "alpaca", kind: "access_token", connection: "conn-456" } as const

  it.effect("live as the rules say, and never past their expiry, whatever is overridden", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      const tokens = tradecore.auth.oauthToken
      assert.strictEqual(secondsOf(tradecore.oauthTtl("alpaca", "access_token")), 900)
      assert.strictEqual(secondsOf(tradecore.oauthTtl("ibkr", "access_token")), 1800)
      assert.strictEqual(secondsOf(tradecore.oauthTtl("ibkr", "refresh_token")), 2_592_000)
      yield* tokens.set(id, yield* token())
      assert.strictEqual(secondsOf(yield* tokens.ttl(id)), 900)
      yield* tokens.set(id, yield* token(600))
      assert.strictEqual(secondsOf(yield* tokens.ttl(id)), 540)
      assert.isFalse(yield* tokens.set(id, yield* token(60)))
      assert.isUndefined(yield* tokens.get(id))
    }).pipe(
      Effect.provide(
        managerWith({
          ttls: new Map([["auth:oauth:access_token", "30 minutes"]]),
          oauthTtls: { alpaca: { access_token: "15 minutes" } }
        })
      )
    )
  )

  it.effect("end before they expire, whatever TTL a call gives", () =>
    Effect.gen(function* () {
      const tokens = (yield* CacheManager.CacheManager).auth.oauthToken
      const long = { ttl: "30 days" } as const
      const ttl = Effect.map(tokens.ttl(id), secondsOf)
      yield* tokens.set(id, yield* token(600), long)
      assert.strictEqual(yield* ttl, 540)
      yield* tokens.set(id, yield* token(600), { ttl: "1 minute" })
      assert.strictEqual(yield* ttl, 60)
      assert.isTrue(yield* tokens.expire(id, "30 days"))
      assert.strictEqual(yield* ttl, 540)
      assert.isTrue(yield* tokens.expire(id, "2 minutes"))
      assert.strictEqual(yield* ttl, 120)
      yield* tokens.setMany([[id, yield* token(300)]], long)
      assert.strictEqual(yield* ttl, 240)
      yield* tokens.refresh(id, token(180), long)
      assert.strictEqual(yield* ttl, 120)
      assert.isFalse(yield* tokens.set(id, yield* token(60), long))
      assert.isUndefined(yield* tokens.get(id))
      yield* tokens.getOrLoad(id, token(59), long)
      assert.isFalse(yield* tokens.has(id))
      yield* tokens.set(id, yield* token(), long)
      assert.strictEqual(yield* ttl, 30 * 24 * 3600)
      assert.isTrue(yield* tokens.expire(id, "1 hour"))
      assert.strictEqual(yield* ttl, 3600)
      yield* tokens.delete(id)
      assert.isFalse(yield* tokens.expire(id, "1 hour"))
    }).pipe(Effect.provide(manager))
  )

  it.effect("refuse rules that are no TTLs", () =>
    Effect.gen(function* () {
      for (const options of [
        { oauthTtls: { alpaca: { access_token: "0 seconds" } } },
        { ttls: new Map([["market:quote", "0 seconds"]] as const) },
        { cleanup: { interval: "0 seconds" } },
        { keyPrefix: "" }
      ] as const) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(managerWith(options))))
        assert.strictEqual(error.reason, "keyPrefix" in options ? "InvalidKey" : "InvalidOption")
      }
    })
  )
})

describe("events of a manager", () => {
  const run = Effect.fnUntraced(function* (options: CacheManager.Options) {
    const context = yield* Layer.build(Layer.fresh(managerWith(options)))
    const { events } = Context.get(context, CacheManager.CacheManager)
    const counts: Array<number> = []
    for (const event of [
      events.vbDisconnected(connection),
      events.vbReset(account),
      events.vbDeleted(account),
      events.brokerDisconnected(connection),
      events.brokerAuthFailed(connection)
    ]) {
      yield* Population.store(Context.get(context, Cache.Cache), Population.ofAccounts([account]))
      counts.push(yield* event)
    }
    return counts
  }, Effect.scoped)

  it.effect("clear what the switches say", () =>
    Effect.gen(function* () {
      const aggressive = [14, 9, 9, 14, 14]
      assert.deepStrictEqual(yield* run({}), aggressive)
      assert.deepStrictEqual(yield* run({ broker: { aggressiveCleanup: false } }), [13, 8, 8, 13, 13])
      const switches: ReadonlyArray<CacheManager.Options> = [
        { vb: { clearOnDisconnect: false } },
        { vb: { clearOnReset: false } },
        { vb: { clearOnDelete: false } },
        { broker: { clearOnDisconnect: false } },
        { broker: { clearOnAuthFail: false } }
      ]
      for (const [index, options] of switches.entries()) {
        assert.deepStrictEqual(yield* run(options), aggressive.with(index, 0))
      }
    })
  )
})

/** What a manager runs over, with a maintenance that only counts. */
const counting = (run: Maintenance.Maintenance["Service"]["run"]) =>
  Layer.merge(Cache.layer(), Layer.succeed(Maintenance.Maintenance, Maintenance.Maintenance.of({ run }))).pipe(
    Layer.provideMerge(memory)
  )

const report: Maintenance.Report = { trimmed: 0, orphans: 0, deleted: 0, skipped: false, millis: 0 }

const logged = (messages: Array<string>) =>
  Logger.layer([
    Logger.make(({ logLevel, message }) => void messages.push(`${logLevel} ${String(message).split(",")[0]}`))
  ])

describe("the life of a manager", () => {
  it.effect("maintains at the start and at intervals, and goes on when that fails", () =>
    Effect.gen(function* () {
      const ages: Array<unknown> = []
      const messages: Array<string> = []
      const run: Maintenance.Maintenance["Service"]["run"] = (options) =>
        Effect.suspend(() => {
          ages.push(options?.maxAge)
          if (ages.length === 2) return Effect.fail(CacheError.make("sweep", "Unavailable", "no Redis"))
          return ages.length === 3 ? Effect.die("a defect") : Effect.succeed(report)
        })
      const cleanup = { interval: "6 hours", maxAge: "12 hours" } as const
      yield* Effect.gen(function* () {
        const { backgroundTaskCount, isRunning } = yield* CacheManager.make({ cleanup })
        assert.deepStrictEqual([isRunning(), backgroundTaskCount(), ages.length], [true, 1, 1])
        yield* TestClock.adjust("6 hours")
        assert.strictEqual(ages.length, 2)
        yield* TestClock.adjust("18 hours")
        assert.deepStrictEqual([isRunning(), backgroundTaskCount()], [true, 1])
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(counting(run), logged(messages))))
      assert.deepStrictEqual(
        ages,
        Array.from({ length: 5 }, () => Duration.hours(12))
      )
      assert.deepStrictEqual(
        messages.filter((message) => message.startsWith("Warn")),
        ["Warn cache maintenance has failed", "Warn cache maintenance has failed"]
      )
      assert.deepStrictEqual(messages.at(-1), "Info cache manager has stopped")
    })
  )

  it.effect("does not maintain at the start if it is not to", () =>
    Effect.gen(function* () {
      let runs = 0
      const run = () => Effect.sync(() => (runs++, report))
      yield* Effect.gen(function* () {
        yield* CacheManager.make({ cleanup: { onStartup: false, interval: "1 hour" } })
        yield* TestClock.adjust("59 minutes")
        assert.strictEqual(runs, 0)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(runs, 1)
      }).pipe(Effect.scoped, Effect.provide(counting(run)))
      yield* TestClock.adjust("10 hours")
      assert.strictEqual(runs, 1)
    })
  )

  it.effect("ends with its scope, in the middle of maintenance too", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      let isInterrupted = false
      const run = () =>
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Effect.sync(() => (isInterrupted = true)))
        )
      const manager = yield* CacheManager.make().pipe(
        Effect.tap(Deferred.await(begun)),
        Effect.tap(({ backgroundTaskCount }) => Effect.sync(() => assert.strictEqual(backgroundTaskCount(), 1))),
        Effect.scoped,
        Effect.provide(counting(run))
      )
      assert.deepStrictEqual([manager.isRunning(), manager.backgroundTaskCount(), isInterrupted], [false, 0, true])
    })
  )
})

describe("metrics and health of a manager", () => {
  it.effect("are in the shape that dashboards know", () =>
    Effect.gen(function* () {
      const tradecore = yield* CacheManager.CacheManager
      yield* tradecore.vb.accountList.set("ada", [])
      yield* tradecore.vb.accountList.get("ada")
      yield* tradecore.vb.accountList.get("bob")
      const { detail, ...summary } = tradecore.metrics()
      assert.deepInclude(summary, { hits: 1, misses: 1, errors: 0, hit_rate: 50 })
      assert.strictEqual(detail.sets, 1)
      const health = yield* tradecore.health
      assert.deepInclude(health, {
        healthy: true,
        problem: undefined,
        operations: { set: true, get: true, delete: true },
        redis: undefined,
        config: {
          source: "options",
          environment: "test",
          key_prefix: "tradecore",
          debug_mode: true,
          aggressive_cleanup: true
        }
      })
      // what the check itself does is not counted
      assert.deepInclude(health.metrics, { hits: 1, misses: 1 })
      assert.strictEqual(yield* tradecore.clear.all, 1)
      tradecore.resetMetrics()
      assert.deepInclude(tradecore.metrics(), { hits: 0, misses: 0, keys_deleted: 0 })
    }).pipe(Effect.provide(managerWith({ environment: "test", debugMode: true })))
  )

  it.effect("say which operation does not work, and why", () =>
    Effect.gen(function* () {
      const refused = Effect.fail(CacheError.make("delete", "Refused", "no memory is left"))
      const faulty = Layer.effect(
        CacheBackend.CacheBackend,
        CacheBackend.CacheBackend.use((backend) =>
          Effect.succeed(
            CacheBackend.CacheBackend.of({ ...backend, get: () => Effect.succeed(undefined), delete: () => refused })
          )
        )
      ).pipe(Layer.provide(memory))
      const { healthy, operations, problem } = yield* Effect.provide(
        CacheManager.CacheManager.use(({ health }) => health),
        managerWith({}, faulty)
      )
      assert.isFalse(healthy)
      assert.deepStrictEqual(operations, { set: true, get: false, delete: false })
      assert.strictEqual(problem, "get: it had no effect; delete: no memory is left")
    })
  )

  it.effect("are good although a switch keeps reads from finding anything", () =>
    Effect.gen(function* () {
      for (const switches of [{ enabled: false }, { bypassCache: true }, { fakeMissRate: 1 }]) {
        const switched = Switches.layer(switches).pipe(Layer.provide(memory))
        const { healthy, problem } = yield* Effect.provide(
          CacheManager.CacheManager.use(({ health }) => health),
          Layer.fresh(managerWith(switches, switched))
        )
        assert.deepStrictEqual([healthy, problem], [true, undefined])
      }
    })
  )
})

describe("a manager of the environment", () => {
  it.effect("does as the variables say", () =>
    Effect.gen(function* () {
      const env = {
        CACHE_ENVIRONMENT: "staging",
        CACHE_TTL_VB_ACCOUNT_LIST: "9",
        CACHE_TTL_AUTH_OAUTH_REFRESH_TOKEN: "100",
        CACHE_BROKER_AGGRESSIVE_CLEANUP: "no",
        CACHE_VB_CLEAR_ON_RESET: "off",
        CACHE_CLEANUP_ON_STARTUP: "false",
        CACHE_CLEANUP_INTERVAL_HOURS: "2",
        CACHE_CLEANUP_MAX_AGE_HOURS: "3"
      }
      const ages: Array<unknown> = []
      const all = CacheManager.layerConfig.pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Layer.provideMerge(counting((options) => Effect.sync(() => (ages.push(options?.maxAge), report))))
      )
      yield* Effect.gen(function* () {
        const tradecore = yield* CacheManager.CacheManager
        const { config } = yield* tradecore.health
        assert.deepInclude(config, { source: "environment", environment: "staging", aggressive_cleanup: false })
        assert.strictEqual(secondsOf(tradecore.ttl("vb:account_list")), 9)
        assert.strictEqual(secondsOf(tradecore.oauthTtl("alpaca", "refresh_token")), 100)
        yield* Population.store(yield* Cache.Cache, Population.ofAccounts([account]))
        assert.strictEqual(yield* tradecore.events.vbReset(account), 0)
        assert.strictEqual(yield* tradecore.events.vbDeleted(account), 8)
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(ages, [Duration.hours(3)])
      }).pipe(Effect.provide(all))
    })
  )

  it("takes what CacheConfig gives as it is", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const config = yield* CacheConfig.config.parse(ConfigProvider.fromEnv({ env: {} }))
        yield* CacheManager.make(config)
      }).pipe(Effect.scoped, Effect.provide(counting(() => Effect.succeed(report))))
    ))
})
