/**
 * What is read, by way of the cache.
 */
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { Account, CacheManager, Ids, Market, Order, Owner, Trading } from "tiercache"
import * as Accounts from "./Accounts.ts"
import { Broker } from "./Broker.ts"
import * as CurrentUser from "./CurrentUser.ts"
import * as Limits from "./Limits.ts"
import * as Problems from "./Problems.ts"

const quoteResponse = HttpServerResponse.schemaJson(Market.Quote)
const balanceResponse = HttpServerResponse.schemaJson(Account.Balance)
const portfolioResponse = HttpServerResponse.schemaJson(Trading.Portfolio)
const ordersJson = Schema.encodeSync(Schema.toCodecJson(Schema.Array(Order.Order)))

const OfSymbol = Schema.Struct({ symbol: Ids.Symbol })
const OfAccount = Schema.Struct({ account: Ids.AccountId })
const OrderFilter = Schema.Struct({ symbol: Schema.optionalKey(Ids.Symbol) })

const routes = Effect.gen(function* () {
  const tradecore = yield* CacheManager.CacheManager
  const broker = yield* Broker

  /** The account in the path, if it is the user's. */
  const account = Effect.gen(function* () {
    const { account } = yield* HttpRouter.schemaPathParams(OfAccount)
    return yield* Accounts.find(yield* CurrentUser.CurrentUser, account)
  })

  return [
    // a quote is the same for everybody
    HttpRouter.route(
      "GET",
      "/api/quotes/:symbol",
      Effect.gen(function* () {
        const { symbol } = yield* HttpRouter.schemaPathParams(OfSymbol)
        const quote = yield* tradecore.market.quote.getOrLoad(symbol, broker.quote(symbol), {
          negativeTtl: "10 seconds"
        })
        if (quote === undefined) return yield* new Problems.NotFound({ what: "symbol" })
        return yield* quoteResponse(quote)
      })
    ),

    // the key of a balance is its account; the tags say whose it is, so that it goes when the user or the connection does
    HttpRouter.route(
      "GET",
      "/api/accounts/:account/balance",
      Effect.gen(function* () {
        const owned = yield* account
        return yield* balanceResponse(
          yield* tradecore.account.balance.getOrLoad(owned.account, broker.balance(owned.account), {
            tags: Owner.tags(owned)
          })
        )
      })
    ),

    HttpRouter.route(
      "GET",
      "/api/portfolio/:account",
      Effect.gen(function* () {
        const owned = yield* account
        return yield* portfolioResponse(
          yield* tradecore.trading.portfolio.getOrLoad(owned.account, broker.portfolio(owned.account), {
            tags: Owner.tags(owned)
          })
        )
      })
    ),

    // a whole response, by its parameters and its user
    HttpRouter.route(
      "GET",
      "/api/orders",
      Effect.gen(function* () {
        const user = yield* CurrentUser.CurrentUser
        const params = yield* HttpRouter.schemaParams(OrderFilter)
        const call = Effect.gen(function* () {
          const orders = yield* broker.orders(Accounts.ofUser(user))
          return ordersJson(orders.filter(({ symbol }) => symbol === (params.symbol ?? symbol)))
        })
        const request = { method: "GET", endpoint: "/api/orders", params, user }
        return yield* HttpServerResponse.json(yield* tradecore.api.response.getOrLoad(request, call))
      })
    )
  ]
})

export const layer = HttpRouter.addAll(routes).pipe(
  Layer.provide(Limits.perUser(Limits.reads).combine(CurrentUser.fromHeader).layer),
  Layer.provide(Problems.ofErrors.layer)
)
