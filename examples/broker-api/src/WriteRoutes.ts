/**
 * What changes something, and takes out of the cache what is not true any more.
 */
import { BigDecimal, Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Account, Api, Cache, Cached, CacheManager, type Clear, Ids, Order, Trading } from "tiercache"
import * as Accounts from "./Accounts.ts"
import { Broker } from "./Broker.ts"
import * as CurrentUser from "./CurrentUser.ts"
import * as Limits from "./Limits.ts"
import * as Problems from "./Problems.ts"

const orderResponse = HttpServerResponse.schemaJson(Order.Order)

const NewOrder = Schema.Struct({
  account: Ids.AccountId,
  symbol: Ids.Symbol,
  quantity: Order.Order.fields.quantity.check(Schema.isGreaterThanBigDecimal(BigDecimal.fromNumberUnsafe(0)))
})

const OfConnection = Schema.Struct({ connection: Ids.ConnectionId })

const routes = Effect.gen(function* () {
  const tradecore = yield* CacheManager.CacheManager
  const cache = yield* Cache.Cache
  const broker = yield* Broker

  /** Deletes what an order changes. If that fails the order stands all the same: a client that is told otherwise would repeat it. */
  const forget = ({ account, user }: Clear.ConnectedAccount) =>
    Cached.remove(cache, () => [Account.Balances.key(account), Trading.Portfolios.key(account), Api.tagOf(user)]).pipe(
      Effect.catch((error) => Effect.logWarning("an order is placed, and what it changed may still be cached", error))
    )

  return [
    HttpRouter.route(
      "POST",
      "/api/orders",
      Effect.gen(function* () {
        const user = yield* CurrentUser.CurrentUser
        const order = yield* HttpServerRequest.schemaBodyJson(NewOrder)
        const owned = yield* Accounts.find(user, order.account)
        // a client that hangs up interrupts its request, but not between the two
        const placed = yield* broker.placeOrder(owned.account, order).pipe(
          Effect.tap(() => forget(owned)),
          Effect.uninterruptible
        )
        return yield* orderResponse(placed, { status: 201 })
      })
    ),

    HttpRouter.route(
      "POST",
      "/api/connections/:connection/disconnect",
      Effect.gen(function* () {
        const user = yield* CurrentUser.CurrentUser
        const { connection } = yield* HttpRouter.schemaPathParams(OfConnection)
        const owned = yield* Accounts.findConnection(user, connection)
        return HttpServerResponse.jsonUnsafe({ cleared: yield* tradecore.events.brokerDisconnected(owned) })
      })
    )
  ]
})

export const layer = HttpRouter.addAll(routes).pipe(
  Layer.provide(Limits.perUser(Limits.writes).combine(CurrentUser.fromHeader).layer),
  Layer.provide(Problems.ofErrors.layer)
)
