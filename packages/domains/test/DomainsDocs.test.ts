import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Cache, Tag } from "@tiercache/core"
import {
  Account,
  Auth,
  Broker,
  CacheManager,
  Domains,
  Lock,
  Maintenance,
  Market,
  Order,
  Position,
  Trading,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Duration, Effect, Layer } from "effect"

const text = readFileSync(new URL("../../../docs/domains.md", import.meta.url), "utf8")

/** The rows of the table of all kinds of data. */
const rows = Array.from(
  text.matchAll(/^\| `(\w+\.\w+)` +\| `([^`]+)` +\| ([^|]+?) +\| (yes)? +\| ([^|]*?) *\|$/gm),
  ([, handle = "", key = "", ttl = "", encrypted, tags = ""]) => ({
    handle,
    key,
    ttl: Number(ttl),
    isEncrypted: encrypted === "yes",
    tags: tags.split(", ").filter((tag) => tag !== "")
  })
)

/** An id is named as its place in the template. */
const inTemplate = (template: string) => template.replaceAll(/[{}]/g, "")

const [user, session, token, state] = ["user", "session", "token", "state"]
const [broker, connection, account, order] = ["broker", "connection", "account", "order"]
const ids = { broker, connection }

/** The key and the tags of an entry of each kind, but of `api:response`, whose ids are made of requests. */
const samples = {
  "user:profile": [User.Profiles.key(user), User.Profiles.tags?.(user)],
  "user:settings": [User.Settings.key(user), User.Settings.tags?.(user)],
  "auth:session": [Auth.Sessions.key(session), Auth.Sessions.tags?.(session)],
  "auth:token": [Auth.Tokens.key(token), Auth.Tokens.tags?.(token)],
  "auth:oauth_state": [Auth.OAuthStates.key(state), Auth.OAuthStates.tags?.(state)],
  "broker:health": [Broker.Health.key(ids), Broker.Health.tags?.(ids)],
  "broker:connection": [Broker.Connections.key(ids), Broker.Connections.tags?.(ids)],
  "broker:credentials": [Broker.Credentials.key(ids), Broker.Credentials.tags?.(ids)],
  "vb:adapter": [
    VirtualBroker.AdapterAccounts.key({ user, connection }),
    VirtualBroker.AdapterAccounts.tags?.({ user, connection })
  ],
  "vb:account_list": [VirtualBroker.AccountLists.key(user), VirtualBroker.AccountLists.tags?.(user)],
  "vb:balance": [VirtualBroker.Balances.key(account), VirtualBroker.Balances.tags?.(account)],
  "vb:position": [VirtualBroker.Positions.key(account), VirtualBroker.Positions.tags?.(account)],
  "account:balance": [Account.Balances.key(account), Account.Balances.tags?.(account)],
  "order:status": [Order.Statuses.key(order), Order.Statuses.tags?.(order)],
  "position:list": [Position.Lists.key(account), Position.Lists.tags?.(account)],
  "trading:portfolio": [Trading.Portfolios.key(account), Trading.Portfolios.tags?.(account)],
  "market:quote": [Market.Quotes.key("symbol"), Market.Quotes.tags?.("symbol")],
  "market:bar": [
    Market.Bars.key({ symbol: "symbol", interval: "interval" }),
    Market.Bars.tags?.({ symbol: "symbol", interval: "interval" })
  ]
} as const

const rowOf = (name: string) => {
  const row = rows.find(({ key }) => key.startsWith(`${name}:`))
  assert(row !== undefined, `docs/domains.md has no row for ${name}`)
  return row
}

describe("the table in docs/domains.md", () => {
  it("has one row for each kind of data, with its TTL, and whether it is encrypted", () => {
    const names = Object.keys(Domains.entities)
    assert.strictEqual(rows.length, names.length)
    for (const [name, { codec, policy }] of Object.entries(Domains.entities)) {
      const { isEncrypted, ttl } = rowOf(name)
      assert.strictEqual(isEncrypted, codec.secret === true, name)
      const isFixed = policy.ttl !== undefined && typeof policy.ttl !== "function"
      assert.deepStrictEqual(ttl, isFixed ? Duration.toSeconds(Duration.fromInputUnsafe(policy.ttl)) : NaN, name)
    }
  })

  it("has their keys and tags", () => {
    for (const [name, [key, tags = []]] of Object.entries(samples)) {
      const row = rowOf(name)
      assert.strictEqual(String(key), inTemplate(row.key))
      assert.deepStrictEqual([...tags].toSorted(), row.tags.map((tag) => Tag.of(tag, tag)).toSorted(), name)
    }
    const { key } = rowOf("auth:oauth")
    const kind = "access_token"
    assert.strictEqual(String(Auth.OAuthTokens.key({ ...ids, kind })), inTemplate(key.replace("{kind}", kind)))
  })

  it.effect("has the names that a manager gives them", () =>
    Effect.gen(function* () {
      const manager: object = yield* CacheManager.CacheManager
      const domains: ReadonlySet<string> = new Set(rows.map(({ handle }) => handle.split(".")[0] ?? ""))
      const handles = Object.entries(manager).flatMap(([domain, caches]) =>
        domains.has(domain) ? Object.keys(Object(caches)).map((type) => `${domain}.${type}`) : []
      )
      assert.deepStrictEqual(handles.toSorted(), rows.map(({ handle }) => handle).toSorted())
    }).pipe(
      Effect.provide(
        CacheManager.layer({ cleanup: { onStartup: false } }).pipe(
          Layer.provide(Layer.merge(Cache.layer(), Maintenance.layer().pipe(Layer.provide(Lock.layer())))),
          Layer.provide(MemoryBackend.layer())
        )
      )
    )
  )
})
