/**
 * In which slots of a cluster a tag is in use.
 *
 * The index of a tag has to lie in the slot of the entry, so that both are written in one step; so in a cluster each slot has one of its
 * own, and a registry, a set of numbers, names the slots of a tag. A slot is added before the first write that needs it, and
 * a write whose slot cannot be added fails. So the registry can name too much, never too little. It is not shortened: an index that
 * is empty now may be written at any time by those who remember that the registry names it.
 *
 * What was added is remembered, so that most writes cost no further command. All of it is forgotten when the registry may have lost
 * something: a connection was lost, the primaries are others, a flush was heard; and each addition after a while, since
 * nobody tells when a registry is deleted or evicted. What is written until then is not found by the tag.
 *
 * One server has one index for each tag, and no registry.
 */
import type { CacheError, MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import * as luaTags from "./luaTags.ts"
import { SLOTS, slotOf } from "./slots.ts"

/** What is to be found under some tags. */
export interface Tagged {
  readonly key: string
  readonly tags: ReadonlyArray<string>
}

export interface TagSlots {
  /**
   * Writes what carries tags, once their slots are known to the registries. The write has until the deadline, if there is one: what was
   * added before it has taken of its time.
   */
  readonly before: <A>(
    operation: string,
    tagged: ReadonlyArray<Tagged>,
    write: (deadline?: number) => Effect.Effect<A, CacheError.CacheError>
  ) => Effect.Effect<A, CacheError.CacheError>
  /** The keys of all indexes of a tag. */
  readonly indexesOf: (operation: string, tag: string) => Effect.Effect<ReadonlyArray<string>, CacheError.CacheError>
}

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly bus: Pick<RedisBus.RedisBus, "flushes">
  readonly now: MonotonicClock.Now
}

/** How long a registry that was deleted misses what is written. */
const REMEMBERED_MILLIS = 60_000

/** What is remembered at most: some 10 MB. */
const MAX_REMEMBERED = 65_536

export const make = (dependencies: Dependencies): TagSlots =>
  dependencies.connection.isCluster ? perSlot(dependencies) : ONE_INDEX

const ONE_INDEX: TagSlots = {
  before: (_, __, write) => write(),
  indexesOf: (_, tag) => Effect.succeed([luaTags.indexKey(tag)])
}

const perSlot = ({ bus, connection, now }: Dependencies): TagSlots => {
  /** When each was added, the oldest first. */
  const remembered = new Map<string, number>()
  const losses = () => connection.losses() + bus.flushes()
  let known = losses()

  const forgetLost = () => {
    if (known === losses()) return
    known = losses()
    remembered.clear()
  }

  /** The slots that the registries may lack, by tag. */
  const missing = (tagged: ReadonlyArray<Tagged>): ReadonlyMap<string, ReadonlySet<number>> => {
    forgetLost()
    const found = new Map<string, Set<number>>()
    const oldest = now() - REMEMBERED_MILLIS
    for (const { key, tags } of tagged) {
      if (tags.length === 0) continue
      const slot = slotOf(key)
      for (const tag of tags) {
        if ((remembered.get(nameOf(tag, slot)) ?? -Infinity) > oldest) continue
        const slots = found.get(tag)
        if (slots === undefined) found.set(tag, new Set([slot]))
        else slots.add(slot)
      }
    }
    return found
  }

  const add = (operation: string, tag: string, slots: ReadonlySet<number>) =>
    Effect.suspend(() => {
      const [registry, before, sentAt] = [luaTags.registryKey(tag), losses(), now()]
      return Effect.map(
        connection.command(operation, registry, (client) => client.sadd(registry, ...slots)),
        () => {
          forgetLost()
          // it may have been lost while the answer was under way
          if (before !== known) return
          for (const slot of slots) remember(nameOf(tag, slot), sentAt)
        }
      )
    })

  const remember = (name: string, sentAt: number) => {
    remembered.delete(name)
    remembered.set(name, sentAt)
    for (const oldest of remembered.keys()) {
      if (remembered.size <= MAX_REMEMBERED) break
      remembered.delete(oldest)
    }
  }

  return {
    before: (operation, tagged, write) =>
      Effect.suspend(() => {
        const slots = missing(tagged)
        if (slots.size === 0) return write()
        const deadline = connection.deadline()
        return Effect.andThen(
          Effect.forEach(slots, ([tag, slots]) => add(operation, tag, slots), {
            concurrency: "unbounded",
            discard: true
          }),
          connection.before(
            deadline,
            operation,
            Effect.suspend(() => write(deadline))
          )
        )
      }),

    indexesOf: (operation, tag) => {
      const registry = luaTags.registryKey(tag)
      return Effect.map(
        connection.command(operation, registry, (client) => client.smembers(registry)),
        (slots) =>
          slots
            .map(Number)
            .filter(isSlot)
            .map((slot) => luaTags.slotIndexKey(slot, tag))
      )
    }
  }
}

/** No tag is mistaken for another: a number has no colon. */
const nameOf = (tag: string, slot: number): string => `${slot}:${tag}`

/** Somebody else may have written something else there. */
const isSlot = (slot: number): boolean => Number.isInteger(slot) && slot >= 0 && slot < SLOTS
