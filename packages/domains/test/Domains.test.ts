import { assert, describe, it } from "@effect/vitest"
import { CacheError, type CacheKey } from "@tiercache/core"
import {
  Account,
  Auth,
  Broker,
  CacheConfig,
  Domains,
  Market,
  Order,
  Position,
  Trading,
  Ttls,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { Duration } from "effect"
import * as fc from "fast-check"

const runs = { numRuns: process.env.TIERCACHE_TEST_FULL === "1" ? 2000 : 200 }

/** Other programs read and write these keys: they never change. */
const TABLE = [
  ["user:profile", "user:profile:{user}", 3600, "", "user:{user}"],
  ["user:settings", "user:settings:{user}", 1800, "", "user:{user}"],
  ["auth:session", "auth:session:{session}", 7200, "secret", ""],
  ["auth:token", "auth:token:{token}", 3600, "secret", ""],
  ["auth:oauth_state", "auth:oauth_state:{state}", 600, "secret", ""],
  [
    "auth:oauth:access_token",
    "auth:oauth:{broker}:access_token:{connection}",
    3600,
    "secret",
    "broker:{broker} connection:{connection}"
  ],
  [
    "auth:oauth:refresh_token",
    "auth:oauth:{broker}:refresh_token:{connection}",
    2_592_000,
    "secret",
    "broker:{broker} connection:{connection}"
  ],
  ["broker:health", "broker:health:{broker}:{connection}", 60, "", "broker:{broker} connection:{connection}"],
  ["broker:connection", "broker:connection:{broker}:{connection}", 300, "", "broker:{broker} connection:{connection}"],
  [
    "broker:credentials",
    "broker:credentials:{broker}:{connection}",
    3600,
    "secret",
    "broker:{broker} connection:{connection}"
  ],
  ["vb:adapter", "vb:adapter:u:{user}:c:{connection}", 60, "", "user:{user} connection:{connection}"],
  ["vb:account_list", "vb:account_list:{user}", 60, "", "user:{user}"],
  ["vb:balance", "vb:balance:{account}", 30, "", "account:{account}"],
  ["vb:position", "vb:position:{account}", 60, "", "account:{account}"],
  ["account:balance", "account:balance:{account}", 60, "", "account:{account}"],
  ["order:status", "order:status:{order}", 300, "", ""],
  ["position:list", "position:list:{account}", 60, "", "account:{account}"],
  ["trading:portfolio", "trading:portfolio:{account}", 60, "", "account:{account}"],
  ["market:quote", "market:quote:{symbol}", 5, "", ""],
  ["market:bar", "market:bar:{symbol}:{interval}", 60, "", ""],
  ["api:response", "api:response:{operation}:hash-{md5}", 300, "", ""]
] as const

describe("the kinds of data", () => {
  it("have their keys, TTLs, secrecy and tags", () => {
    const rows = TABLE.map(([name, key, seconds, secret, tags]) => ({
      name,
      key,
      seconds,
      secret: secret === "secret",
      tags: tags.split(" ").filter((tag) => tag !== "")
    }))
    assert.deepStrictEqual(Ttls.table, rows)
  })

  it("are listed by the beginning of their keys, each once", () => {
    const listed = Object.entries(Domains.entities)
    for (const [name, { domain, type }] of listed) assert.strictEqual(name, `${domain}:${type}`)
    assert.strictEqual(new Set<unknown>(Object.values(Domains.entities)).size, listed.length)
  })

  it("have a variable for each TTL", () => {
    assert.sameMembers(
      [...CacheConfig.ttlVariables.keys()],
      Ttls.table.map(({ name }) => name)
    )
  })

  it("are all exported by their modules", () => {
    const modules = [Account, Auth, Broker, Market, Order, Position, Trading, User, VirtualBroker]
    const exported = modules.flatMap((module) => Object.values(module)).filter(isEntity)
    const listed = new Set<unknown>(Object.values(Domains.entities))
    assert.isTrue(exported.every((entity) => listed.has(entity)))
    // API responses are the one kind that is not among these modules
    assert.strictEqual(exported.length, listed.size - 1)
  })
})

const isEntity = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "codec" in value && "policy" in value

describe("Ttls.of", () => {
  it("tells the TTL by name, and by domain and type", () => {
    const seconds = [
      Ttls.of("market:quote"),
      Ttls.of("market", "quote"),
      Ttls.of("vb:account_list"),
      Ttls.of("vb", "balance"),
      Ttls.of("auth", "oauth_state"),
      Ttls.of("api:response")
    ].map(Duration.toSeconds)
    assert.deepStrictEqual(seconds, [5, 5, 60, 30, 600, 300])
  })

  it("refuses what has no TTL", () => {
    const others = [["market:quot"], ["market"], ["auth:oauth"], ["auth", "oauth"], ["__proto__"], ["market", ""], []]
    for (const parts of others) {
      try {
        Reflect.apply(Ttls.of, undefined, parts)
      } catch (error) {
        assert.strictEqual(CacheError.isCacheError(error) && error.reason, "InvalidOption")
        continue
      }
      assert.fail(`${parts.join(":")} has a TTL`)
    }
  })
})

/** Ids that could be taken for a separator, a pattern, a hash tag of a cluster, an encoding, or the hash of a long one. */
const hostileId = fc
  .array(
    fc.oneof(
      fc.constantFrom("*", "?", ":", "{", "}", "[a-z]", "\\", "%", "%3A", "%2A", "%sha256-", "\0", "\r\n", "\x7f"),
      fc.constantFrom("c", "u", "conn-456", "4567", "__proto__", " ", "é", "😀", "x".repeat(10_000), "x".repeat(9_999)),
      fc.string({ unit: "binary", minLength: 1, maxLength: 3 })
    ),
    { minLength: 1, maxLength: 4 }
  )
  .map((pieces) => pieces.join(""))

/** The keys of one kind each, of two ids; the second counts where a key has two. */
const keyMakers: ReadonlyArray<[arity: 1 | 2, make: (first: string, second: string) => CacheKey.CacheKey]> = [
  [1, (user) => User.Profiles.key(user)],
  [1, (user) => User.Settings.key(user)],
  [1, (session) => Auth.Sessions.key(session)],
  [1, (token) => Auth.Tokens.key(token)],
  [1, (state) => Auth.OAuthStates.key(state)],
  [2, (broker, connection) => Auth.OAuthTokens.key({ broker, kind: "access_token", connection })],
  [2, (broker, connection) => Auth.OAuthTokens.key({ broker, kind: "refresh_token", connection })],
  [2, (broker, connection) => Broker.Health.key({ broker, connection })],
  [2, (broker, connection) => Broker.Connections.key({ broker, connection })],
  [2, (broker, connection) => Broker.Credentials.key({ broker, connection })],
  [2, (user, connection) => VirtualBroker.AdapterAccounts.key({ user, connection })],
  [1, (user) => VirtualBroker.AccountLists.key(user)],
  [1, (account) => VirtualBroker.Balances.key(account)],
  [1, (account) => VirtualBroker.Positions.key(account)],
  [1, (account) => Account.Balances.key(account)],
  [1, (order) => Order.Statuses.key(order)],
  [1, (account) => Position.Lists.key(account)],
  [1, (account) => Trading.Portfolios.key(account)],
  [1, (symbol) => Market.Quotes.key(symbol)],
  [2, (symbol, interval) => Market.Bars.key({ symbol, interval })]
]

describe("ids", () => {
  it("however hostile, never reach the key of another id or of another kind of data", () => {
    const ids = fc.tuple(hostileId, hostileId)
    // pairs that run together alike are what a separator could confuse
    const shifted = fc.tuple(hostileId, hostileId, hostileId).map(([a, b, c]): [[string, string], [string, string]] => [
      [`${a}:${b}`, c],
      [a, `${b}:${c}`]
    ])
    fc.assert(
      fc.property(fc.oneof(fc.tuple(ids, ids), shifted), (pairs) => {
        const expected = new Set<string>()
        const keys = new Set<string>()
        for (const [index, [arity, make]] of keyMakers.entries()) {
          for (const [first, second] of pairs) {
            expected.add(JSON.stringify([index, first, arity === 2 ? second : ""]))
            const { encoded } = make(first, second)
            keys.add(encoded)
            // nothing in it is a part of its own, a pattern, a hash tag or a control character
            const [name, template] = TABLE[index] ?? assert.fail("a kind of data without a row")
            assert.isTrue(encoded.startsWith(`${name.startsWith("auth:oauth:") ? "auth:oauth" : name}:`))
            assert.strictEqual(encoded.split(":").length, template.split(":").length)
            assert.match(encoded, /^[A-Za-z0-9._~@%:-]{1,500}$/)
          }
        }
        assert.strictEqual(keys.size, expected.size)
      }),
      runs
    )
  })

  it("that are empty or not well-formed are refused, in keys and in tags, and are not quoted", () => {
    for (const bad of ["", "\ud800", "hunter2\udfff", 5, null, undefined, {}]) {
      for (const [, make] of keyMakers) {
        for (const ids of [
          [bad, "conn-456"],
          [bad, bad]
        ]) {
          try {
            Reflect.apply(make, undefined, ids)
          } catch (error) {
            assert(CacheError.isCacheError(error), String(error))
            assert.strictEqual(error.reason, "InvalidKey")
            assert.notInclude(error.message, "hunter2")
            continue
          }
          assert.fail("it was taken")
        }
      }
    }
  })
})
