/**
 * Who may use which connections and accounts. An application asks its own database; here it is a table.
 */
import { Effect } from "effect"
import type { Clear, Ids } from "tiercache"
import { NotFound } from "./Problems.ts"

const ACCOUNTS: ReadonlyArray<Clear.ConnectedAccount> = [
  { user: "ada", broker: "alpaca", connection: "conn-1", account: "acct-1" },
  { user: "ada", broker: "ibkr", connection: "conn-2", account: "acct-2" },
  { user: "bob", broker: "alpaca", connection: "conn-3", account: "acct-3" }
]

/** All accounts of a user. */
export const ofUser = (user: Ids.UserId): ReadonlyArray<Ids.AccountId> =>
  ACCOUNTS.filter((owned) => owned.user === user).map(({ account }) => account)

/**
 * An account of a user, with all that is known about whose it is.
 *
 * **Gotchas**
 *
 * The cache finds a balance by its account alone, so whether the user may see it is asked first, on each request.
 */
export const find = (user: Ids.UserId, account: Ids.AccountId): Effect.Effect<Clear.ConnectedAccount, NotFound> =>
  found(
    ACCOUNTS.find((owned) => owned.user === user && owned.account === account),
    "account"
  )

/** A connection of a user. */
export const findConnection = (
  user: Ids.UserId,
  connection: Ids.ConnectionId
): Effect.Effect<Clear.BrokerConnection, NotFound> =>
  found(
    ACCOUNTS.find((owned) => owned.user === user && owned.connection === connection),
    "connection"
  )

/** What is somebody else's is answered as what does not exist. */
const found = <A>(one: A | undefined, what: string): Effect.Effect<A, NotFound> =>
  one === undefined ? Effect.fail(new NotFound({ what })) : Effect.succeed(one)
