import { assert, describe, it, vi } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Logger } from "effect"
import { CacheConfig, CacheError, CacheManager, Entity, Market, Schema, Tag, User } from "tiercache"

const quote = (last: number): Market.Quote => ({
  symbol: "AAPL",
  bid: last - 0.01,
  ask: last + 0.01,
  last,
  timestamp: DateTime.makeUnsafe(0)
})

const profile = (user: string): User.Profile => ({
  id: user,
  email: `${user}@example.org`,
  displayName: user,
  status: "active",
  roles: [],
  createdAt: DateTime.makeUnsafe(0)
})

const start = () => CacheManager.start({ cleanup: { onStartup: false } })

const connection = { broker: "alpaca", user: "ada", connection: "conn-456" }
const account = { ...connection, account: "acct-1" }

describe("CacheManager.start", () => {
  it("gives typed caches that promise", async () => {
    await using tradecore = await start()
    await tradecore.market.quote.set("AAPL", quote(100))
    assert.deepStrictEqual(tradecore.market.quote.peek("AAPL"), quote(100))
    assert.deepStrictEqual(await tradecore.user.profile.getOrLoad("ada", () => profile("ada")), profile("ada"))
    assert.deepStrictEqual(await tradecore.cache.entity(User.Profiles).get("ada"), profile("ada"))
    await tradecore.vb.adapterAccounts.set({ user: "ada", connection: "conn-456" }, [])
    assert.isTrue(await tradecore.cache.has("vb:adapter:u:ada:c:conn-456"))
  })

  it("clears, and tells how much", async () => {
    await using tradecore = await start()
    const fill = async () => {
      await tradecore.user.profile.set("ada", profile("ada"))
      await tradecore.vb.adapterAccounts.set(connection, [])
      await tradecore.vb.accountList.set("ada", [])
      await tradecore.position.list.set("acct-1", [])
      await tradecore.market.quote.set("AAPL", quote(1))
    }
    const { clear, events } = tradecore
    const counts: Array<number> = []
    for (const operation of [
      () => clear.brokerConnection(connection),
      () => clear.account(account),
      () => clear.user("ada"),
      () => clear.domain("market"),
      () => clear.all(),
      () => events.vbDisconnected(connection),
      () => events.vbReset(account),
      () => events.vbDeleted(account),
      () => events.brokerDisconnected(connection),
      () => events.brokerAuthFailed(connection)
    ]) {
      await fill()
      counts.push(await operation())
    }
    assert.deepStrictEqual(counts, [2, 3, 3, 1, 5, 2, 3, 3, 2, 2])
    const error: unknown = await clear.user("").catch((error: unknown) => error)
    assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidKey")
  })

  it("keeps responses to API calls", async () => {
    await using tradecore = await start()
    const { response } = tradecore.api
    const request = { method: "GET", endpoint: "/api/orders", params: { page: 1 }, user: "ada" }
    let calls = 0
    const call = async ({ signal }: { readonly signal: AbortSignal }) => [`${++calls}`, signal.aborted]
    assert.deepStrictEqual(await response.getOrLoad(request, call), ["1", false])
    assert.deepStrictEqual(await response.getOrLoad(request, call), ["1", false])
    assert.deepStrictEqual(await response.getOrLoad({ ...request, method: "POST" }, call), ["2", false])
    assert.strictEqual((await response.get(request))?.endpoint, "/api/orders")
    assert.isTrue(await response.delete(request))
    const reason = new Error("enough")
    const aborted = response.getOrLoad(request, call, { signal: AbortSignal.abort(reason) })
    assert.strictEqual(await aborted.catch((error: unknown) => error), reason)
    const refused = new Error("401")
    const failing = response.getOrLoad(request, () => Promise.reject(refused))
    assert.strictEqual(await failing.catch((error: unknown) => error), refused)
  })

  it("takes the options of the cache and of the manager", async () => {
    await using tradecore = await CacheManager.start({
      prefix: "test",
      switches: { debugMode: true },
      environment: "test",
      cleanup: { onStartup: false },
      broker: { aggressiveCleanup: false },
      vb: { clearOnReset: false },
      ttls: new Map([["vb:account_list", "7 seconds"]]),
      oauthTtls: { alpaca: { refresh_token: "1 hour" } }
    })
    await tradecore.vb.accountList.set("ada", [])
    const ttl = await tradecore.vb.accountList.ttl("ada")
    assert.isAtMost(ttl === undefined ? NaN : Duration.toSeconds(ttl), 7)
    assert.deepStrictEqual(tradecore.ttl("vb", "account_list"), Duration.seconds(7))
    assert.deepStrictEqual(tradecore.oauthTtl("alpaca", "refresh_token"), Duration.hours(1))
    assert.strictEqual(await tradecore.events.vbReset(account), 0)
    const { config, healthy } = await tradecore.health()
    assert.isTrue(healthy)
    assert.deepStrictEqual(config, {
      source: "options",
      environment: "test",
      key_prefix: "test",
      debug_mode: true,
      aggressive_cleanup: false
    })
  })

  it("is of the environment if told so", async () => {
    process.env["CACHE_KEY_PREFIX"] = "from:env"
    try {
      await using tradecore = await CacheManager.startFromEnvironment()
      const { config } = await tradecore.health()
      assert.deepStrictEqual([config.source, config.key_prefix], ["environment", "from:env"])
    } finally {
      delete process.env["CACHE_KEY_PREFIX"]
    }
  })

  it("takes a configuration", async () => {
    const env = { CACHE_KEY_PREFIX: "configured", CACHE_TTL_VB_BALANCE: "3", CACHE_CLEANUP_ON_STARTUP: "no" }
    const config = await Effect.runPromise(CacheConfig.config.parse(ConfigProvider.fromEnv({ env })))
    await using tradecore = await CacheManager.start(config)
    assert.strictEqual((await tradecore.health()).config.key_prefix, "configured")
    assert.deepStrictEqual(tradecore.ttl("vb:balance"), Duration.seconds(3))
  })

  it("runs until it is stopped, and stops once", async () => {
    const tradecore = await CacheManager.start()
    assert.deepStrictEqual([tradecore.isRunning(), tradecore.backgroundTaskCount()], [true, 1])
    await Promise.all([tradecore.stop(), tradecore.stop()])
    assert.deepStrictEqual([tradecore.isRunning(), tradecore.backgroundTaskCount()], [false, 0])
    await tradecore.stop()
  })

  it("counts, and forgets what it has counted", async () => {
    await using tradecore = await start()
    await tradecore.market.quote.getMany(["AAPL", "MSFT"])
    assert.deepInclude(tradecore.metrics(), { hits: 0, misses: 2 })
    assert.strictEqual(tradecore.metrics().detail.misses, 2)
    tradecore.resetMetrics()
    assert.deepInclude(tradecore.metrics(), { hits: 0, misses: 0 })
  })

  it("needs keys in production, unless nothing leaves the process", async () => {
    const environment = "production"
    const env = { CACHE_BACKEND: "redis" }
    const config = await Effect.runPromise(CacheConfig.config.parse(ConfigProvider.fromEnv({ env })))
    const redis = { url: "redis://127.0.0.1:1" }
    for (const promise of [
      CacheManager.start({ backend: "redis", redis, environment }),
      CacheManager.start({ ...config, environment })
    ]) {
      const error: unknown = await promise.catch((error: unknown) => error)
      assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
      assert.include(String(error), "`secrets` are missing")
    }
    await using inMemory = await CacheManager.start({ environment, cleanup: { onStartup: false } })
    await using off = await CacheManager.start({ ...config, environment, enabled: false })
    assert.isTrue(inMemory.isRunning() && off.isRunning())
  })

  it("rejects what has no types, and does not throw", async () => {
    await using tradecore = await start()
    const { api, cache, clear, events, user } = tradecore
    for (const call of [
      // @ts-expect-error who writes JavaScript may forget it
      () => clear.brokerConnection(),
      // @ts-expect-error likewise
      () => events.vbReset(),
      // @ts-expect-error likewise
      () => api.response.getOrLoad({ endpoint: "/api/orders" }, async () => 1),
      // @ts-expect-error likewise
      () => user.profile.setMany(),
      // @ts-expect-error likewise
      () => cache.withLock("report")
    ]) {
      assert.instanceOf(await call().catch((error: unknown) => error), Error)
    }
  })

  it("refuses what cannot be", async () => {
    // @ts-expect-error who writes JavaScript may forget it
    const forgotten = CacheManager.start({ backend: "redis" })
    for (const promise of [forgotten, CacheManager.start({ cleanup: { interval: "0 seconds" } })]) {
      const error: unknown = await promise.catch((error: unknown) => error)
      assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
    }
  })
})

const Names = Entity.make("user", "name", {
  key: { user: Schema.NonEmptyString },
  value: Schema.String,
  tags: (user) => [Tag.user(user)]
})

describe("functions with a cache, by promise", () => {
  it("load once, until something has changed", async () => {
    await using tradecore = await start()
    const { cache } = tradecore
    const rows = new Map([["ada", "Ada"]])
    let reads = 0
    const getName = cache.cached(Names, async (user, { signal }) => {
      reads++
      return signal.aborted ? "" : (rows.get(user) ?? "nobody")
    })
    const setName = cache.invalidates(
      async (user: string, name: string) => rows.set(user, name).size,
      (user) => [Names.key(user)]
    )
    assert.deepStrictEqual(await Promise.all([getName("ada"), getName("ada")]), ["Ada", "Ada"])
    assert.strictEqual(await setName("ada", "Countess"), 1)
    assert.strictEqual(await getName("ada", { ttl: "1 minute" }), "Countess")
    assert.strictEqual(reads, 2)
    const forget = cache.invalidates(
      (user: string) => rows.delete(user),
      (user) => [Tag.user(user)]
    )
    assert.isTrue(await forget("ada"))
    assert.strictEqual(await getName("ada"), "nobody")
    const refused = new Error("refused")
    const failing = cache.invalidates(
      () => Promise.reject(refused),
      () => [Names.key("ada")]
    )
    assert.strictEqual(await failing().catch((error: unknown) => error), refused)
    assert.strictEqual(await getName("ada"), "nobody")
    assert.strictEqual(reads, 3)
  })
})

describe("the loggers of a manager", () => {
  const logged: Array<string> = []
  const collector = Logger.make(({ message }) => void logged.push(String(message)))

  it("get what it logs, also when it stops", async () => {
    await using tradecore = await CacheManager.start({ loggers: [collector], cleanup: { onStartup: false } })
    await tradecore.stop()
    assert.include(logged.join(), "cache manager has stopped")
  })

  it("may be none", async () => {
    const printed = vi.spyOn(console, "log")
    const tradecore = await CacheManager.start({ loggers: [], cleanup: { onStartup: false } })
    await tradecore.stop()
    assert.strictEqual(printed.mock.calls.length, 0)
    printed.mockRestore()
  })
})
