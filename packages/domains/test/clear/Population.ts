/**
 * Users with connections, accounts and what a system caches of them, and which of it each clear operation is to delete. Who owns an
 * entry is told by ids as they are: nothing here knows of tags, patterns or encodings.
 */
import type { Cache, CacheKey } from "@tiercache/core"
import {
  Account,
  Api,
  Auth,
  Broker,
  type Clear,
  Market,
  Order,
  Owner,
  Position,
  Trading,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { Effect } from "effect"
import * as fc from "fast-check"

interface Entry {
  readonly key: CacheKey.CacheKey
  readonly domain: string
  readonly type: string
  readonly owner: Owner.Owner
  readonly isApiResponse: boolean
}

export interface Population {
  readonly accounts: ReadonlyArray<Clear.ConnectedAccount>
  readonly entries: ReadonlyArray<Entry>
}

/** What could be taken for a pattern, a separator, an encoding, or another's id. */
const PIECES = [
  "*",
  "?",
  ":",
  "conn-456",
  "4567",
  "{a}",
  "[a-z]",
  "\\",
  "%2A",
  "user:",
  "\u0000",
  "é",
  " ",
  "lock",
  "x".repeat(300)
]

const hostileId = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join(""))

/** Each a connection of a user, with accounts. The ids of connections and accounts are their own; those of users come again. */
const arbitrary: fc.Arbitrary<Population> = fc
  .record({
    users: fc.uniqueArray(hostileId, { minLength: 2, maxLength: 3 }),
    brokers: fc.uniqueArray(hostileId, { minLength: 1, maxLength: 2 }),
    connections: fc.uniqueArray(hostileId, { minLength: 2, maxLength: 4 }),
    accounts: fc.uniqueArray(hostileId, { minLength: 3, maxLength: 6 })
  })
  .map(({ accounts, brokers, connections, users }) =>
    ofAccounts(
      accounts.map((account, index) => {
        const place = index % connections.length
        return {
          account,
          connection: connections[place]!,
          user: users[place % users.length]!,
          broker: brokers[place % brokers.length]!
        }
      })
    )
  )

/** All that is cached of some accounts. */
export const ofAccounts = (accounts: ReadonlyArray<Clear.ConnectedAccount>): Population => {
  const entries = new Map<string, Entry>()
  const add = (key: CacheKey.CacheKey, owner: Owner.Owner, isApiResponse = false) => {
    const [domain = "", type = ""] = key.encoded.split(":")
    entries.set(key.encoded, { key, domain, type, owner, isApiResponse })
  }
  for (const all of accounts) {
    const { account, broker, connection, user } = all
    const ofConnection = { broker, connection, user }
    add(User.Profiles.key(user), { user })
    add(User.Settings.key(user), { user })
    add(Auth.Sessions.key(`of ${user}`), { user })
    add(Auth.Tokens.key(`of ${user}`), { user })
    add(VirtualBroker.AccountLists.key(user), { user })
    add(Api.Responses.key(Api.id({ method: "GET", endpoint: "/api/orders", user })), { user }, true)
    add(VirtualBroker.AdapterAccounts.key({ user, connection }), { user, connection })
    add(Broker.Health.key({ broker, connection }), ofConnection)
    add(Broker.Connections.key({ broker, connection }), ofConnection)
    add(Broker.Credentials.key({ broker, connection }), ofConnection)
    add(Auth.OAuthTokens.key({ broker, connection, kind: "access_token" }), ofConnection)
    add(Auth.OAuthTokens.key({ broker, connection, kind: "refresh_token" }), ofConnection)
    add(Account.Balances.key(account), all)
    add(VirtualBroker.Balances.key(account), all)
    add(VirtualBroker.Positions.key(account), all)
    add(Position.Lists.key(account), all)
    add(Trading.Portfolios.key(account), all)
    add(Order.Statuses.key(`of ${account}`), all)
  }
  add(Market.Quotes.key("AAPL"), {})
  add(Market.Bars.key({ symbol: "AAPL", interval: "1m" }), {})
  add(Api.Responses.key(Api.id({ method: "GET", endpoint: "/api/assets" })), {}, true)
  return { accounts, entries: [...entries.values()] }
}

/** Stores the entries under the tags that an application gives them. */
export const store = (cache: Cache.Cache["Service"], { entries }: Population) =>
  Effect.forEach(
    entries,
    ({ isApiResponse, key, owner }) => {
      const own = isApiResponse && owner.user !== undefined ? [Api.tagOf(owner.user)] : []
      return cache.set(key, 1, { ttl: "1 hour", tags: [...Owner.tags(owner), ...own] })
    },
    { concurrency: "unbounded", discard: true }
  )

/** One clear operation, and what it deletes. */
interface Operation {
  readonly name: string
  readonly run: (clear: Clear.Clear) => ReturnType<Clear.Clear["user"]>
  readonly concerns: (entry: Entry) => boolean
}

const listsOf =
  ({ connection, user }: Clear.BrokerConnection, isAggressive: boolean) =>
  (entry: Entry) =>
    entry.owner.user === user &&
    ((entry.type === "adapter" && entry.owner.connection === connection) ||
      entry.type === "account_list" ||
      (isAggressive && entry.isApiResponse))

/** What can be cleared of an account and its owners, for what must not be touched. */
const operationsOn = (all: Clear.ConnectedAccount, isAggressive: boolean): ReadonlyArray<Operation> => {
  const { account, connection, user } = all
  const isListed = listsOf(all, isAggressive)
  return [
    {
      name: "brokerConnection",
      run: (clear) => clear.brokerConnection(all),
      concerns: (entry) => entry.owner.connection === connection || isListed(entry)
    },
    {
      name: "account",
      run: (clear) => clear.account(all),
      concerns: (entry) => entry.owner.account === account || isListed(entry)
    },
    { name: "user", run: (clear) => clear.user(user), concerns: (entry) => entry.owner.user === user }
  ]
}

const onDomains: ReadonlyArray<Operation> = [
  { name: "domain", run: (clear) => clear.domain("vb"), concerns: ({ domain }) => domain === "vb" },
  { name: "all", run: (clear) => clear.all, concerns: () => true }
]

/** A population, an operation on one of its accounts or on a domain, and the switch. */
export interface Clearing {
  readonly population: Population
  readonly isAggressive: boolean
  readonly operation: Operation
}

export const clearing: fc.Arbitrary<Clearing> = fc
  .record({ population: arbitrary, isAggressive: fc.boolean(), account: fc.nat(), operation: fc.nat() })
  .map(({ account, isAggressive, operation, population }) => {
    const { accounts } = population
    const operations = [...operationsOn(accounts[account % accounts.length]!, isAggressive), ...onDomains]
    return { population, isAggressive, operation: operations[operation % operations.length]! }
  })
