/**
 * The ids of a trading system, each of a kind of its own.
 *
 * **Details**
 *
 * Kinds are flavours: a plain string goes for any id, so nobody has to convert what comes from a request or a database;
 * but once something is typed as the id of a user, it does not compile where that of a connection is due.
 */
import { Schema } from "effect"

declare const flavour: unique symbol

/** Text of a kind. The property exists for the compiler only. */
export type Flavour<Kind extends string> = string & { readonly [flavour]?: Kind }

/** The schema of the ids of a kind: text, not empty. `make` gives an id its kind. */
export interface IdSchema<Kind extends string> extends Schema.refine<Flavour<Kind>, Schema.NonEmptyString> {}

/** One more kind of id. */
export const of = <const Kind extends string>(kind: Kind): IdSchema<Kind> =>
  Schema.NonEmptyString.pipe(Schema.refine(isOf<Kind>, { expected: `the text of a ${kind}` }))

/** Any text may be an id of any kind. */
const isOf = <Kind extends string>(text: unknown): text is Flavour<Kind> => typeof text === "string"

export type UserId = Flavour<"UserId">
export const UserId = of("UserId")

/**
 * **Gotchas**
 *
 * It is part of a key, so it is in clear in Redis: where the id itself lets its bearer in, use its hash.
 */
export type SessionId = Flavour<"SessionId">
/** @see {@link SessionId} for what not to use */
export const SessionId = of("SessionId")

/**
 * **Gotchas**
 *
 * As with {@link SessionId}: the `jti` of a token or its hash, not the token.
 */
export type TokenId = Flavour<"TokenId">
/** @see {@link TokenId} for what not to use */
export const TokenId = of("TokenId")

/** The `state` parameter of an OAuth request (RFC 6749, section 4.1.1). */
export type OAuthStateId = Flavour<"OAuthStateId">
export const OAuthStateId = of("OAuthStateId")

export type BrokerId = Flavour<"BrokerId">
export const BrokerId = of("BrokerId")

/** What a user has set up to reach a broker. */
export type ConnectionId = Flavour<"ConnectionId">
export const ConnectionId = of("ConnectionId")

export type AccountId = Flavour<"AccountId">
export const AccountId = of("AccountId")

export type OrderId = Flavour<"OrderId">
export const OrderId = of("OrderId")

/** What an instrument is called where it is traded: `AAPL`, `BRK.B`, `BTC/USD`. */
export type Symbol = Flavour<"Symbol">
export const Symbol = of("Symbol")

/** The time that a bar sums up, as the source of the bars writes it: `1m`, `1Min`, `1 day`. */
export type Interval = Flavour<"Interval">
export const Interval = of("Interval")

/** The code of a currency: `USD`, `EUR`, `USDT`. */
export type Currency = Flavour<"Currency">
export const Currency = of("Currency")
