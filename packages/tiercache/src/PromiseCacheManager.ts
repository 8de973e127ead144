/**
 * All caches of a trading system for those who `await`.
 */
import type { CacheError, Entity } from "@tiercache/core"
import {
  Account,
  Api,
  type ApiResponses,
  Auth,
  Broker,
  type CacheManager,
  type Clear,
  type Events,
  Market,
  Order,
  Position,
  Trading,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { Effect } from "effect"
import type * as Running from "./internal/running.ts"
import type * as PromiseCache from "./PromiseCache.ts"
import * as PromiseEntityCache from "./PromiseEntityCache.ts"

/** Methods that return promises where those of `T` return Effects. */
type Promises<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => Effect.Effect<infer A, CacheError.CacheError>
    ? (...args: Args) => Promise<A>
    : never
}

/** As `ApiResponses`. */
export interface PromiseApiResponses extends Promises<Pick<ApiResponses.ApiResponses, "get" | "delete">> {
  /** The body of the answer, from the cache or by the call. Unknown: decode it by a schema. */
  readonly getOrLoad: (
    request: Api.Request,
    call: (context: { readonly signal: AbortSignal }) => unknown,
    options?: ApiResponses.LoadOptions & { readonly signal?: AbortSignal | undefined }
  ) => Promise<unknown>
}

/** As `Clear`. */
export interface PromiseClear extends Promises<Omit<Clear.Clear, "all">> {
  readonly all: () => Promise<number>
}

type Service = CacheManager.CacheManager["Service"]

/** As `CacheManager`. */
export interface PromiseCacheManager
  extends
    ReturnType<typeof caches>,
    Pick<Service, "ttl" | "oauthTtl" | "metrics" | "resetMetrics" | "isRunning" | "backgroundTaskCount">,
    AsyncDisposable {
  readonly clear: PromiseClear
  readonly events: Promises<Events.Events>
  /** Tries set, get and delete, and asks the backend. Never rejects: what is wrong is in the answer. */
  readonly health: () => Promise<CacheManager.Health>
  /** The cache itself, for what is no domain: untyped keys, locks, limits, functions with a cache in front of them. */
  readonly cache: PromiseCache.PromiseCache
  /** Waits for writes under way, 5 seconds at most, and ends connections and background work. `await using` does it too. */
  readonly stop: () => Promise<void>
}

/** Wraps a manager and its cache. */
export const make = (
  manager: Service,
  cache: PromiseCache.PromiseCache,
  running: Running.Running
): PromiseCacheManager => {
  const { run, runWrite } = running
  const { backgroundTaskCount, clear, events, health, isRunning, metrics, oauthTtl, resetMetrics, ttl } = manager
  return {
    ...caches(manager, cache, running),
    ttl,
    oauthTtl,
    metrics,
    resetMetrics,
    isRunning,
    backgroundTaskCount,
    // async, so that what is thrown is a rejection
    clear: {
      brokerConnection: async (connection) => runWrite(clear.brokerConnection(connection)),
      account: async (account) => runWrite(clear.account(account)),
      user: async (user) => runWrite(clear.user(user)),
      domain: async (domain) => runWrite(clear.domain(domain)),
      all: () => runWrite(clear.all)
    },
    events: {
      vbDisconnected: async (connection) => runWrite(events.vbDisconnected(connection)),
      vbReset: async (account) => runWrite(events.vbReset(account)),
      vbDeleted: async (account) => runWrite(events.vbDeleted(account)),
      brokerDisconnected: async (connection) => runWrite(events.brokerDisconnected(connection)),
      brokerAuthFailed: async (connection) => runWrite(events.brokerAuthFailed(connection))
    },
    health: () => run(health),
    cache,
    stop: cache.close,
    [Symbol.asyncDispose]: cache.close
  }
}

/** The operations on every kind of data. */
const caches = ({ api, managed }: Service, cache: PromiseCache.PromiseCache, running: Running.Running) => {
  const open = <Id, A>(entity: Entity.Entity<Id, A>) => cache.entity(managed.entity(entity))
  return {
    user: { profile: open(User.Profiles), settings: open(User.Settings) },
    auth: {
      session: open(Auth.Sessions),
      token: open(Auth.Tokens),
      oauthState: open(Auth.OAuthStates),
      oauthToken: cache.entity(managed.oauthTokens)
    },
    broker: {
      health: open(Broker.Health),
      connection: open(Broker.Connections),
      credentials: open(Broker.Credentials)
    },
    vb: {
      adapterAccounts: open(VirtualBroker.AdapterAccounts),
      accountList: open(VirtualBroker.AccountLists),
      balance: open(VirtualBroker.Balances),
      position: open(VirtualBroker.Positions)
    },
    account: { balance: open(Account.Balances) },
    order: { status: open(Order.Statuses) },
    position: { list: open(Position.Lists) },
    trading: { portfolio: open(Trading.Portfolios) },
    market: { quote: open(Market.Quotes), bar: open(Market.Bars) },
    api: { response: apiResponses(api.response, running) }
  }
}

const apiResponses = (
  responses: ApiResponses.ApiResponses,
  { run, runAbortable, runWrite }: Running.Running
): PromiseApiResponses => ({
  getOrLoad: async (request, call, options) =>
    runAbortable(
      responses.getOrLoad(
        request,
        PromiseEntityCache.toEffect((signal) => call({ signal })),
        options
      ),
      options
    ),
  get: (request) => run(responses.get(request)),
  delete: (request) => runWrite(responses.delete(request))
})
