import { Console } from "node:console"
import { Writable } from "node:stream"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cache, Entity } from "@tiercache/core"
import { Account, Broker, Decimal, Domains, Ids, Market, Order, Position, Trading } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { BigDecimal, Cause, Effect, Equal, Exit, Layer, Logger, Redacted, Schema, SchemaAST } from "effect"
import { balance, kinds, order, SECRET } from "./values/kinds.ts"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 300 : 10

const inMemory = Cache.layer().pipe(Layer.provideMerge(Layer.suspend(() => MemoryBackend.layer())))

const decimal = BigDecimal.fromStringUnsafe

describe("values", () => {
  it("are tried of every kind", () => {
    assert.deepStrictEqual(
      kinds.map(({ name }) => name),
      Object.keys(Domains.entities)
    )
  })

  for (const { checkRoundTrips, name } of kinds) {
    it.effect(`of ${name} come back equal from memory`, () =>
      Effect.gen(function* () {
        const cache = yield* Cache.Cache
        yield* checkRoundTrips(cache, cache, RUNS)
      }).pipe(Effect.provide(inMemory))
    )
  }

  it.effect("are frozen and the same for all readers, but for secret ones and bodies with dates", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      for (const { hold, isSecret, name } of kinds) {
        const [first, second] = yield* hold(cache)
        const isShared = !isSecret && name !== "api:response"
        assert.deepStrictEqual([first === second, Object.isFrozen(first)], [isShared, isShared], name)
      }
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("of which an enumeration has another member than ours are not there", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const Newer = Entity.make("order", "status", {
        key: { order: Ids.OrderId },
        value: Schema.Struct({ ...Order.Order.fields, status: Schema.String })
      })
      const statuses = cache.entity(Order.Statuses)
      yield* cache.entity(Newer).set("order-1", { ...order, status: "held" }, { ttl: "1 minute" })
      assert.isUndefined(yield* statuses.get("order-1"))
      assert.deepStrictEqual(yield* statuses.getOrLoad("order-1", Effect.succeed(order)), order)
      yield* cache.entity(Newer).set("order-1", { ...order, status: "filled" }, { ttl: "1 minute" })
      assert.strictEqual((yield* statuses.get("order-1"))?.status, "filled")
    }).pipe(Effect.provide(inMemory))
  )
})

describe("amounts", () => {
  const decoded = (text: unknown) => Schema.decodeUnknownExit(Schema.toCodecJson(Decimal.Decimal))(text)

  it.effect("that came from memory can be calculated with, again and again", () =>
    Effect.gen(function* () {
      const balances = (yield* Cache.Cache).entity(Account.Balances)
      yield* balances.set("acct-1", { ...balance, cash: decimal("1.500"), buyingPower: decimal("1000") })
      for (const _ of ["first", "second"]) {
        const read = yield* balances.get("acct-1")
        assert(read !== undefined)
        assert.isTrue(Object.isFrozen(read))
        assert.strictEqual(BigDecimal.format(BigDecimal.normalize(read.cash)), "1.5")
        assert.strictEqual(BigDecimal.format(BigDecimal.sum(read.cash, read.buyingPower)), "1001.5")
        assert.isTrue(BigDecimal.isLessThan(read.cash, read.buyingPower))
        assert.isTrue(Equal.equals(read.cash, decimal("1.5")))
      }
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("are exact", () =>
    Effect.gen(function* () {
      const balances = (yield* Cache.Cache).entity(Account.Balances)
      yield* balances.set("acct-1", { ...balance, cash: BigDecimal.sum(decimal("0.1"), decimal("0.2")) })
      const read = yield* balances.get("acct-1")
      assert.strictEqual(read && BigDecimal.format(read.cash), "0.3")
      const third = BigDecimal.divideUnsafe(decimal("10"), decimal("3"))
      yield* balances.set("acct-1", { ...balance, cash: third })
      assert.isTrue(Equal.equals((yield* balances.get("acct-1"))?.cash, third))
    }).pipe(Effect.provide(inMemory))
  )

  it("are no floating-point numbers, unlike market prices", () => {
    const schemas = [Account.Balance, Position.Position, Order.Order, Order.Fill, Trading.Portfolio]
    assert.isFalse(schemas.some(({ ast }) => holdsNumber(ast)))
    assert.isTrue([Market.Quote, Market.Bar, Schema.Array(Market.Quote)].every(({ ast }) => holdsNumber(ast)))
    assert.isTrue(Exit.isFailure(decoded(0.3)))
  })

  it("have bounds, so that a damaged entry cannot fill the memory", () => {
    for (const text of ["0", "-0.50", "1e200", "1e-200", "9".repeat(400), `0.${"3".repeat(100)}`, "1.5000"]) {
      assert.isTrue(Exit.isSuccess(decoded(text)), text)
    }
    const bad = ["1e999999999", "-1e-999999999", "0e999999999", "0e-999999999", "1e201", "1e-201", "1".repeat(401)]
    for (const text of [...bad, "NaN", "Infinity", "0x10", "1,5", " ", 1, 1n, null, {}]) {
      assert.isTrue(Exit.isFailure(decoded(text)), inspect(text))
    }
  })
})

/** Whether a number can stand anywhere in the values of a schema. */
const holdsNumber = (ast: SchemaAST.AST): boolean => {
  if (SchemaAST.isObjects(ast)) return ast.propertySignatures.some(({ type }) => holdsNumber(type))
  if (SchemaAST.isArrays(ast)) return [...ast.elements, ...ast.rest].some(holdsNumber)
  return SchemaAST.isUnion(ast) ? ast.types.some(holdsNumber) : SchemaAST.isNumber(ast)
}

describe("secrets", () => {
  /** What prints show of a value, however it is printed. */
  const printed = Effect.fnUntraced(function* (value: unknown) {
    const lines: Array<string> = []
    const take = (text: unknown) => void lines.push(String(text))
    const console = new Console({ stdout: new Writable({ write: (chunk, _, done) => (take(chunk), done()) }) })
    console.log(value)
    console.dir(value, { depth: null, showHidden: true })
    console.log("%j %o %O", value, value, value)
    const deeply = (line: unknown) => take(inspect(line, { depth: null }))
    const logger = Logger.layer([
      Logger.map(Logger.formatJson, take),
      Logger.map(Logger.formatLogFmt, take),
      Logger.map(Logger.formatSimple, take),
      Logger.map(Logger.formatStructured, deeply)
    ])
    yield* Effect.provide(Effect.logError("a value", value, Cause.fail(value)), logger)
    deeply(value)
    take(JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? `${field}` : field)))
    deeply(new Error("failed", { cause: value }))
    return lines.join("\n")
  })

  it.effect("are never printed, wherever the value came from", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const secrets = kinds.filter(({ isSecret }) => isSecret)
      assert.deepStrictEqual(
        secrets.map(({ name }) => name),
        ["auth:session", "auth:token", "auth:oauth_state", "auth:oauth", "broker:credentials"]
      )
      for (const { example, hold, name } of secrets) {
        const [read] = yield* hold(cache)
        assert.notStrictEqual(read, example)
        for (const value of [example, read]) {
          const text = yield* printed(value)
          assert.include(text, "<redacted>", name)
          assert.notInclude(text, SECRET, name)
        }
      }
      assert.include(yield* printed({ plain: SECRET }), SECRET)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("are not in the errors about values that do not fit", () =>
    Effect.gen(function* () {
      const credentials = (yield* Cache.Cache).entity(Broker.Credentials)
      const id = { broker: "alpaca", connection: "conn-456" }
      const bad = [
        { apiKey: SECRET, environment: "live" },
        { apiKey: Redacted.make(SECRET), environment: SECRET },
        { apiKey: Redacted.make(Redacted.make(SECRET)), environment: "live" },
        { apiKey: Redacted.make(""), apiSecret: SECRET, environment: "live" }
      ]
      for (const value of bad) {
        // @ts-expect-error who writes JavaScript may give anything
        const error = yield* Effect.flip(credentials.set(id, value))
        assert.strictEqual(error.reason, "Encode")
        assert.notInclude(yield* printed(error), SECRET)
        assert.notInclude(`${error.message}${error.stack}`, SECRET)
      }
    }).pipe(Effect.provide(inMemory))
  )
})
