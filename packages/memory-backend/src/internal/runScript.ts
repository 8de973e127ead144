/**
 * Runs the reducer of a `Script` over a store.
 */
import { CacheError, type Script } from "@tiercache/core"
import type * as MemoryStore from "../MemoryStore.ts"

/**
 * All or nothing: what the reducer writes is kept aside until it returns, and whom it wakes is told after that.
 *
 * The time is the store's monotonic one: unlike the wall clock of a server it is never set back.
 */
export const runScript = <State, Args, Reply>(
  store: MemoryStore.MemoryStore,
  script: Script.Script<State, Args, Reply>,
  keys: ReadonlyArray<string>,
  args: Args,
  wake: Script.Wake
): Reply => {
  const now = store.now()
  const [key] = keys
  const step =
    key === undefined || keys.length > 1
      ? new ManyKeys<State>(store, script, keys, now)
      : new OneKey<State>(store, script, key, now)
  let woken: Array<ReadonlyArray<string>> | undefined
  const reply = script.reducer(step, args, Math.round(now * 1000), (names) => {
    if (woken === undefined) woken = [names]
    else woken.push(names)
  })
  step.commit()
  woken?.forEach(wake)
  return reply
}

type Held<State> = MemoryStore.Held<State> | undefined

/** The key of a script that has one. A class, as `ManyKeys`: limits make one for each call, and its methods are made once. */
class OneKey<State> implements Script.Slots<State> {
  private readonly store: MemoryStore.MemoryStore
  private readonly script: Named
  private readonly key: string
  private readonly now: number
  /** As the reducer sees it. */
  private found: Held<State>
  private isWritten = false

  constructor(store: MemoryStore.MemoryStore, script: Named, key: string, now: number) {
    this.store = store
    this.script = script
    this.key = key
    this.now = now
    this.found = heldBy(store, script, key, now)
  }

  get(index: number): State | undefined {
    if (index !== 0) throw noKey(this.script, index)
    return this.found?.state
  }

  set(index: number, state: State, ttlMillis?: number): void {
    if (index !== 0) throw noKey(this.script, index)
    this.found = heldUntil(this.script, state, deadline(this.script, this.found, this.now, ttlMillis))
    this.isWritten = true
  }

  delete(index: number): void {
    if (index !== 0) throw noKey(this.script, index)
    this.found = undefined
    this.isWritten = true
  }

  commit(): void {
    if (this.isWritten) keep(this.store, this.key, this.found, this.now)
  }
}

class ManyKeys<State> implements Script.Slots<State> {
  private readonly store: MemoryStore.MemoryStore
  private readonly script: Named
  private readonly keys: ReadonlyArray<string>
  private readonly now: number
  /** What is under each key, as the reducer sees it. */
  private readonly found: Array<Held<State>>
  /** The keys that it wrote, in that order. */
  private readonly written = new Set<number>()

  constructor(store: MemoryStore.MemoryStore, script: Named, keys: ReadonlyArray<string>, now: number) {
    this.store = store
    this.script = script
    this.keys = keys
    this.now = now
    this.found = keys.map((key) => heldBy(store, script, key, now))
  }

  get(index: number): State | undefined {
    return this.found[this.first(index)]?.state
  }

  set(index: number, state: State, ttlMillis?: number): void {
    const first = this.first(index)
    this.found[first] = heldUntil(this.script, state, deadline(this.script, this.found[first], this.now, ttlMillis))
    this.written.add(first)
  }

  delete(index: number): void {
    const first = this.first(index)
    this.found[first] = undefined
    this.written.add(first)
  }

  commit(): void {
    for (const index of this.written) keep(this.store, this.keys[index] ?? "", this.found[index], this.now)
  }

  /** The first index of the key at an index: a key may be given twice. */
  private first(index: number): number {
    const key = this.keys[index]
    if (key === undefined) throw noKey(this.script, index)
    return this.keys.indexOf(key)
  }
}

/** What of a script its keys depend on. */
type Named = Pick<Script.Script<never, never, never>, "name" | "type">

const noKey = ({ name }: Named, index: number) =>
  CacheError.make("run", "InvalidOption", `${name} has no key at ${index}`)

/** When what is written is gone: without a TTL, when what was there would have been. */
const deadline = ({ name }: Named, found: Held<unknown>, now: number, ttlMillis: number | undefined): number => {
  const goneAfter = ttlMillis === undefined ? (found?.goneAfter ?? Infinity) : now + ttlMillis
  if (Number.isNaN(goneAfter)) throw CacheError.make("run", "InvalidOption", `${name} set a TTL of NaN`)
  return goneAfter
}

const heldUntil = <State>({ type }: Named, state: State, goneAfter: number): MemoryStore.Held<State> => ({
  type,
  state: freeze(state),
  goneAfter
})

const keep = (store: MemoryStore.MemoryStore, key: string, held: Held<unknown>, now: number): void => {
  if (held === undefined) store.delete(key)
  else store.hold(key, held, now)
}

/** The living state under a key. Throws if something else is there. */
const heldBy = <State>(store: MemoryStore.MemoryStore, script: Named, key: string, now: number): Held<State> => {
  const held = store.held(key, now)
  if (held === undefined && store.peek(key) === undefined && store.lease(key) === undefined) return undefined
  if (held !== undefined && isHeldBy<State>(script, held)) return held
  throw CacheError.make("run", "WrongType", `the key holds something else than ${script.type}`)
}

/** Scripts of one type agree on what their keys hold. */
const isHeldBy = <State>({ type }: Named, held: MemoryStore.Held<unknown>): held is MemoryStore.Held<State> =>
  held.type === type

/** A reducer that changed a state in place would do so even if it throws later. */
const freeze = <State>(state: State): State => {
  if (typeof state === "object" && state !== null && !Object.isFrozen(state)) {
    // without a list of the values: numbers are most of what there is
    for (const name in state) if (typeof state[name] === "object") freeze(state[name])
    if (!ArrayBuffer.isView(state)) Object.freeze(state)
  }
  return state
}
