/**
 * A made-up broker, for want of a real one. It takes its time, and counts how often it is asked. It sells at fixed prices, and gives
 * everybody 100 000 dollars and credit.
 */
import { BigDecimal, Context, DateTime, type Duration, Effect, Layer } from "effect"
import type { Account, Ids, Market, Order, Position, Trading } from "tiercache"
import { NotFound } from "./Problems.ts"

export class Broker extends Context.Service<
  Broker,
  {
    /** `undefined` for a symbol that does not exist. */
    readonly quote: (symbol: Ids.Symbol) => Effect.Effect<Market.Quote | undefined>
    readonly orders: (accounts: ReadonlyArray<Ids.AccountId>) => Effect.Effect<ReadonlyArray<Order.Order>>
    readonly balance: (account: Ids.AccountId) => Effect.Effect<Account.Balance>
    readonly portfolio: (account: Ids.AccountId) => Effect.Effect<Trading.Portfolio>
    /** Buys at the price of the moment. */
    readonly placeOrder: (
      account: Ids.AccountId,
      order: Pick<Order.Order, "symbol" | "quantity">
    ) => Effect.Effect<Order.Order, NotFound>
    /** How often it was asked. */
    readonly calls: () => number
  }
>()("broker-api/Broker") {}

export interface Options {
  /** How long each answer takes. */
  readonly latency: Duration.Input
}

const PRICES: ReadonlyMap<Ids.Symbol, number> = new Map([
  ["AAPL", 231.5],
  ["IBM", 240.25],
  ["MSFT", 512.75]
])

const DEPOSIT = BigDecimal.fromNumberUnsafe(100_000)
const HALF_SPREAD = 0.01
const currency = "USD"
const zero = BigDecimal.fromNumberUnsafe(0)

export const make = ({ latency }: Options): Broker["Service"] => {
  const placed: Array<Order.Order> = []
  let calls = 0

  /** An answer as of now, after the latency. */
  const answer = <A>(answerAt: (now: DateTime.Utc) => A): Effect.Effect<A> =>
    Effect.suspend(() => {
      calls++
      return Effect.map(Effect.delay(DateTime.now, latency), answerAt)
    })

  const moneyOf = (account: Ids.AccountId, now: DateTime.Utc) => {
    const bought = placed.filter((order) => order.account === account)
    const positions = [...Map.groupBy(bought, ({ symbol }) => symbol)].map(([symbol, orders]) =>
      positionOf(symbol, total(orders.map(({ quantity }) => quantity)), now)
    )
    const marketValue = total(positions.map(({ marketValue }) => marketValue))
    return {
      account,
      currency,
      cash: BigDecimal.subtract(DEPOSIT, marketValue),
      equity: DEPOSIT,
      marketValue,
      positions
    }
  }

  return Broker.of({
    quote: (symbol) =>
      answer((timestamp) => {
        const last = PRICES.get(symbol)
        return last === undefined
          ? undefined
          : { symbol, bid: last - HALF_SPREAD, ask: last + HALF_SPREAD, last, timestamp }
      }),
    orders: (accounts) => answer(() => placed.filter(({ account }) => accounts.includes(account))),
    balance: (account) =>
      answer((asOf) => {
        const { cash, equity } = moneyOf(account, asOf)
        return { account, currency, cash, equity, buyingPower: cash, asOf }
      }),
    portfolio: (account) => answer((asOf) => ({ ...moneyOf(account, asOf), unrealizedPnl: zero, asOf })),
    placeOrder: (account, { quantity, symbol }) =>
      Effect.flatten(
        answer((now) => {
          const price = PRICES.get(symbol)
          if (price === undefined) return Effect.fail(new NotFound({ what: "symbol" }))
          const order: Order.Order = {
            id: `order-${placed.length + 1}`,
            account,
            symbol,
            side: "buy",
            type: "market",
            timeInForce: "day",
            status: "filled",
            quantity,
            filledQuantity: quantity,
            averageFillPrice: BigDecimal.fromNumberUnsafe(price),
            fills: [],
            submittedAt: now,
            updatedAt: now
          }
          placed.push(order)
          return Effect.succeed(order)
        })
      ),
    calls: () => calls
  })
}

export const layer = (options: Options): Layer.Layer<Broker> => Layer.sync(Broker, () => make(options))

const positionOf = (symbol: Ids.Symbol, quantity: BigDecimal.BigDecimal, asOf: DateTime.Utc): Position.Position => {
  const averageEntryPrice = BigDecimal.fromNumberUnsafe(PRICES.get(symbol) ?? 0)
  const marketValue = BigDecimal.multiply(quantity, averageEntryPrice)
  const gained = { marketValue, costBasis: marketValue, unrealizedPnl: zero }
  return { symbol, side: "long", quantity, averageEntryPrice, ...gained, currency, asOf }
}

const total = (amounts: ReadonlyArray<BigDecimal.BigDecimal>) => amounts.reduce((a, b) => BigDecimal.sum(a, b), zero)
