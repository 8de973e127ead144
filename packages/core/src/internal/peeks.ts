/**
 * Looks at what this process holds, and counts what is found. A hit takes no more than this.
 */
import type { Parts } from "../EntityCache.ts"
import type * as LocalStore from "../LocalStore.ts"
import type * as Metrics from "../Metrics.ts"

export type Peek<out A> = (bookmark: LocalStore.Bookmark, operation: Metrics.OperationCounters) => A | undefined

export const make =
  <Id, A>({ backend, codec, domain: { counters } }: Parts<Id, A>): Peek<A> =>
  (bookmark, operation) => {
    const value = backend.peek(bookmark.key, codec, bookmark)
    if (value !== undefined) {
      counters.l1Hits++
      operation.immediate++
    }
    return value
  }
