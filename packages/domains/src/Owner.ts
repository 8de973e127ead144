/**
 * Whom an entry belongs to, so that all that somebody has can be deleted at once.
 *
 * **Details**
 *
 * Entities tag their entries with the owners that are in the key. Others are given with the call: the user of an account is not
 * in the key of its balance.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Owner } from "@tiercache/domains"
 *
 * Owner.tags({ user: "user-123", connection: "conn-456" }) // => ["user:user-123", "connection:conn-456"]
 * ```
 */
import { Tag } from "@tiercache/core"
import type * as Ids from "./Ids.ts"

export interface Owner {
  readonly user?: Ids.UserId | undefined
  readonly account?: Ids.AccountId | undefined
  readonly broker?: Ids.BrokerId | undefined
  readonly connection?: Ids.ConnectionId | undefined
}

/** For the option `tags` of `set`, `getOrLoad` and so on. Throws a `CacheError` with reason `InvalidKey` for an empty id. */
export const tags = ({ account, broker, connection, user }: Owner): ReadonlyArray<Tag.Tag> => [
  ...tagOf(Tag.user, user),
  ...tagOf(Tag.account, account),
  ...tagOf(Tag.broker, broker),
  ...tagOf(Tag.connection, connection)
]

const tagOf = (make: (id: string) => Tag.Tag, id: string | undefined): ReadonlyArray<Tag.Tag> =>
  id === undefined ? [] : [make(id)]
