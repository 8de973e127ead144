/**
 * What docs/migrating-from-python.md says, line by line and in its order, to be run.
 */
import {
  type Cache,
  type CacheBackend,
  Cached,
  type CacheError,
  type CacheManager,
  Lock,
  RateLimiter,
  User
} from "tiercache"
import { Script } from "@tiercache/core"
import { Duration, Effect } from "effect"
import {
  db,
  fetchOrders,
  findProfile,
  orders,
  ordersCall,
  quote,
  rebalance,
  rebalancing,
  renameUser,
  request
} from "./Samples.ts"

type Service = CacheManager.CacheManager["Service"]
type Promised = CacheManager.PromiseCacheManager
type Asked = Effect.Effect<unknown, CacheError.CacheError>

export type Needs =
  | Cache.Cache
  | CacheBackend.CacheBackend
  | CacheManager.CacheManager
  | Lock.Lock
  | RateLimiter.RateLimiter

/** The same line for promises and for Effect, if it has to wait for anything at all. */
type Line = (tradecore: Promised | Service) => Promise<unknown> | Asked | Answer

/** What is there without waiting. */
type Answer = number | boolean | Duration.Duration | object | void

export interface Call {
  readonly there: string
  readonly promise: (tradecore: Promised) => unknown
  readonly effect: (tradecore: Service) => Effect.Effect<unknown, unknown, Needs> | Answer
  /** What it answers; of an object, fields of it. */
  readonly is: unknown
  /** What is in the store afterwards. */
  readonly key?: string
}

/** One line for both. */
const same = (there: string, line: Line, is: unknown): Call => ({ there, promise: line, effect: line, is })

/** They follow each other, in a cache that has one entry of each kind. */
export const calls: ReadonlyArray<Call> = [
  same("TTL by one name", (tradecore) => tradecore.ttl("market:quote"), Duration.seconds(5)),
  same("TTL by domain and type", (tradecore) => tradecore.ttl("market", "quote"), Duration.seconds(5)),
  same(
    "OAuth TTL by broker and kind",
    (tradecore) => tradecore.oauthTtl("alpaca", "refresh_token"),
    Duration.seconds(2_592_000)
  ),
  same("another TTL for one call", (tradecore) => tradecore.market.quote.set("AAPL", quote, { ttl: "1 minute" }), true),
  {
    there: "get, lock, get, load, set, unlock",
    promise: (tradecore) => tradecore.user.profile.getOrLoad("user-124", () => db.profile("user-124")),
    effect: (tradecore) => tradecore.user.profile.getOrLoad("user-124", findProfile("user-124")),
    is: { id: "user-124" },
    key: "tradecore:user:profile:user-124"
  },
  {
    there: "API response, cached or called for",
    promise: (tradecore) => tradecore.api.response.getOrLoad(request, fetchOrders),
    effect: (tradecore) => tradecore.api.response.getOrLoad(request, ordersCall),
    is: [],
    key: "tradecore:api:response:get_orders:hash-"
  },
  same("API response, if cached", (tradecore) => tradecore.api.response.get(request), { params: '{"page":1}' }),
  same("API response, invalidated", (tradecore) => tradecore.api.response.delete(request), true),
  {
    there: "`@cached('user:profile', ttl, key_func)`",
    promise: (tradecore) => tradecore.cache.cached(User.Profiles, (user) => db.profile(user))("user-125"),
    effect: () => Cached.cached(User.Profiles, (user) => findProfile(user))("user-125"),
    is: { id: "user-125" },
    key: "tradecore:user:profile:user-125"
  },
  {
    there: "`@cache_invalidate(['user:profile:{user_id}'])`",
    promise: (tradecore) =>
      tradecore.cache.invalidates(db.rename, (user) => [User.Profiles.key(user)])("user-125", "Ada"),
    effect: () => Cached.invalidates(renameUser, (user) => [User.Profiles.key(user)])("user-125", "Ada"),
    is: "user-125: Ada"
  },
  same(
    "clear a connection (`clear_broker_connection_cache`)",
    (tradecore) => tradecore.clear.brokerConnection({ broker: "alpaca", user: "user-123", connection: "conn-456" }),
    6
  ),
  same(
    "clear an account (`clear_account_cache`)",
    (tradecore) =>
      tradecore.clear.account({ account: "acct-1", user: "user-123", broker: "alpaca", connection: "conn-456" }),
    5
  ),
  same("clear a user", (tradecore) => tradecore.clear.user("user-123"), 2),
  same("clear a domain", (tradecore) => tradecore.clear.domain("market"), 2),
  {
    there: "clear everything",
    promise: (tradecore) => tradecore.clear.all(),
    effect: (tradecore) => tradecore.clear.all,
    is: 5
  },
  same(
    "a virtual broker was disconnected",
    (tradecore) => tradecore.events.vbDisconnected({ broker: "vb", user: "user-123", connection: "conn-456" }),
    0
  ),
  same(
    "a virtual account was reset",
    (tradecore) =>
      tradecore.events.vbReset({ account: "acct-1", user: "user-123", broker: "vb", connection: "conn-456" }),
    0
  ),
  same(
    "a virtual account was deleted",
    (tradecore) =>
      tradecore.events.vbDeleted({ account: "acct-1", user: "user-123", broker: "vb", connection: "conn-456" }),
    0
  ),
  same(
    "a broker was disconnected",
    (tradecore) => tradecore.events.brokerDisconnected({ broker: "alpaca", user: "user-123", connection: "conn-456" }),
    0
  ),
  same(
    "a broker refused the log-in",
    (tradecore) => tradecore.events.brokerAuthFailed({ broker: "alpaca", user: "user-123", connection: "conn-456" }),
    0
  ),
  {
    there: "check, then increment",
    promise: (tradecore) => tradecore.cache.limits.consume(orders, "user-123"),
    effect: () => RateLimiter.consume(orders, "user-123"),
    is: { allowed: true, remaining: 99 },
    key: "tradecore:ratelimit:api_orders:{user-123}"
  },
  {
    there: "check",
    promise: (tradecore) => tradecore.cache.limits.check(orders, "user-123"),
    effect: () => RateLimiter.RateLimiter.use((limits) => limits.check(orders, "user-123")),
    is: { allowed: true, remaining: 99 }
  },
  {
    there: "increment",
    promise: (tradecore) => tradecore.cache.limits.increment(orders, "user-123"),
    effect: () => RateLimiter.RateLimiter.use((limits) => limits.increment(orders, "user-123")),
    is: { allowed: true, remaining: 98 }
  },
  {
    there: "reset",
    promise: (tradecore) => tradecore.cache.limits.reset(orders, "user-123"),
    effect: () => RateLimiter.RateLimiter.use((limits) => limits.reset(orders, "user-123")),
    is: true
  },
  {
    there: "acquire, work, release",
    promise: (tradecore) =>
      tradecore.cache.withLock("rebalance:acct-1", { ttl: "5 seconds", wait: "1 second" }, rebalance),
    effect: () => Lock.withLock("rebalance:acct-1", { ttl: "5 seconds", wait: "1 second" })(rebalancing),
    is: "rebalanced",
    key: "tradecore:lock:rebalance:acct-1"
  },
  {
    there: "acquire without waiting",
    promise: (tradecore) => tradecore.cache.withLock("rebalance:acct-1", { wait: "0 seconds" }, rebalance),
    effect: () => Lock.withLock("rebalance:acct-1", { wait: "0 seconds" })(rebalancing),
    is: "rebalanced"
  },
  same("metrics", (tradecore) => tradecore.metrics(), { errors: 0 }),
  same("reset the metrics", (tradecore) => tradecore.resetMetrics(), undefined),
  {
    there: "health",
    promise: (tradecore) => tradecore.health(),
    effect: (tradecore) => tradecore.health,
    is: { healthy: true, operations: { set: true, get: true, delete: true } }
  },
  same("`is_running`", (tradecore) => tradecore.isRunning(), true),
  same("`background_task_count`", (tradecore) => tradecore.backgroundTaskCount(), 1)
]

/** What `eval_script` becomes: the higher of two numbers stays. */
export const raise = Script.make<number, number, number>({
  name: "raise",
  type: "a high-water mark",
  lua: `
    local high = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]))
    redis.call('SET', KEYS[1], high, 'EX', 3600)
    return high`,
  args: (price) => [price],
  reply: (raw) => Number(raw),
  reducer: (slots, price) => {
    const high = Math.max(slots.get(0) ?? 0, price)
    slots.set(0, high, 3_600_000)
    return high
  }
})
