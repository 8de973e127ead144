/**
 * How the keys of one operation are spread over commands: by number and by bytes, so that no script keeps the server busy
 * for long, and in a cluster by slot, since a command has one. The commands of an operation leave in one write per server.
 */
import type { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import * as redirection from "./redirection.ts"

/** Redis copies what a script writes several times: 1 MB takes it 1 to 3 ms. */
const MAX_BYTES = 1024 * 1024

/** What may be in one group. */
export interface Limits {
  /** Items, at most. */
  readonly size: number
  /** Keys of different parts are kept apart. */
  readonly partOf: (key: string) => number | string
}

export interface Group<A> {
  readonly items: Array<A>
  /** Where each of them was. */
  readonly places: Array<number>
  room: number
}

/** What is larger than a group may be makes one of its own. */
export const groups = <A>(
  items: ReadonlyArray<A>,
  keyOf: (item: A) => string,
  { partOf, size }: Limits,
  bytesOf?: (item: A) => number
): ReadonlyArray<Group<A>> => {
  const groups: Array<Group<A>> = []
  const open = new Map<number | string, Group<A>>()
  items.forEach((item, place) => {
    const bytes = bytesOf?.(item) ?? 0
    const part = partOf(keyOf(item))
    let group = open.get(part)
    if (group === undefined || group.items.length >= size || bytes > group.room) {
      group = { items: [], places: [], room: MAX_BYTES }
      open.set(part, group)
      groups.push(group)
    }
    group.items.push(item)
    group.places.push(place)
    group.room -= bytes
  })
  return groups
}

type Run<A, B> = (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, CacheError.CacheError>

/** Runs the commands of all groups at once; their answers, one for each item, in the order of the items. */
export const eachOf = <A, B>(
  groups: ReadonlyArray<Group<A>>,
  run: Run<A, B>
): Effect.Effect<ReadonlyArray<B>, CacheError.CacheError> =>
  Effect.map(runAll(groups, run), (answers) => {
    if (groups.length === 1) return answers[0] ?? []
    const all: Array<B> = []
    answers.forEach((answers, index) => {
      for (const [item, answer] of answers.entries()) {
        const place = groups[index]?.places[item]
        if (place !== undefined) all[place] = answer
      }
    })
    return all
  })

/** As `eachOf`, where answers are not those of certain items. */
export const allOf = <A, B>(
  groups: ReadonlyArray<Group<A>>,
  run: Run<A, B>
): Effect.Effect<ReadonlyArray<B>, CacheError.CacheError> =>
  Effect.map(runAll(groups, run), (answers) => answers.flat())

const runAll = <A, B>(groups: ReadonlyArray<Group<A>>, run: Run<A, B>) => {
  const [first] = groups
  // nearly always: it takes no fiber
  if (first !== undefined && groups.length === 1) return Effect.map(together(first.items, run), (answers) => [answers])
  return Effect.forEach(groups, ({ items }) => together(items, run), { concurrency: "unbounded" })
}

/** While a slot moves, its keys may be on two nodes: then there is a command for each. */
const together = <A, B>(
  items: ReadonlyArray<A>,
  run: Run<A, B>
): Effect.Effect<ReadonlyArray<B>, CacheError.CacheError> =>
  Effect.catchIf(run(items), redirection.isKeysApart, () =>
    Effect.map(
      Effect.forEach(items, (item) => run([item]), { concurrency: "unbounded" }),
      (answers) => answers.flat()
    )
  )
