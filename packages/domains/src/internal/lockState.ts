/**
 * Who holds the permits of a lock or semaphore, who waits for them, and what follows from that.
 *
 * A lock is a semaphore of one permit. Permits that become free are offered to whoever waits longest: an offer is a lease
 * of `OFFER_MILLIS` that its holder does not know of yet. If the holder-to-be does not come for it, it is not there to come, and
 * the next who asks is served at once, whoever that is: so neither a dead waiter nor a lost message costs more than
 * the time until somebody asks.
 *
 * All times are in microseconds of the store's clock. A clock that is set back would make leases and places in the queue last
 * longer than they were meant to, so their ends are cut to what they would be if they had begun now.
 */

/** How long an offer stands: many times what a message and a command take. */
export const OFFER_MILLIS = 200

/** The first in the queue asks at least that often, and each further place may be that much slower: a long queue asks no more than a short one. */
export const PAUSE_MILLIS = 1000
export const PAUSE_STEP_MILLIS = 10

/** Of so many pauses, a waiter that is there makes use of one. */
export const PAUSES_UNTIL_FORGOTTEN = 3

/**
 * For how long the last fence is remembered when nobody uses the lock: fences grow although a server's clock is set back, or a
 * replica whose clock is behind becomes the primary.
 */
export const FENCE_KEPT_MILLIS = 3_600_000

export interface Holder {
  readonly owner: string
  readonly permits: number
  readonly ends: number
  /** 0 while it is offered only. */
  readonly fence: number
  readonly ttlMillis: number
}

export interface Waiter {
  readonly owner: string
  readonly permits: number
  /** When it came, and so its place. */
  readonly ticket: number
  /** When it is forgotten, unless it asks again. */
  readonly keptUntil: number
}

export interface State {
  /** The last that was given. */
  readonly fence: number
  readonly holders: ReadonlyArray<Holder>
  /** By ticket. */
  readonly queue: ReadonlyArray<Waiter>
}

const EMPTY: State = { fence: 0, holders: [], queue: [] }

const keptMicros = (waiters: number): number =>
  PAUSES_UNTIL_FORGOTTEN * (PAUSE_MILLIS + PAUSE_STEP_MILLIS * waiters) * 1000

/** What is stored, as it is at a time. */
export const at = (stored: State | undefined, now: number): State => {
  const { fence, holders, queue } = stored ?? EMPTY
  const kept = now + keptMicros(queue.length)
  return {
    fence,
    holders: holders.map((holder) => ({ ...holder, ends: Math.min(holder.ends, now + holder.ttlMillis * 1000) })),
    queue: queue.map((waiter) => ({ ...waiter, keptUntil: Math.min(waiter.keptUntil, kept) }))
  }
}

export const alive = (state: State, now: number): State => ({
  ...state,
  holders: state.holders.filter(({ ends }) => ends > now),
  queue: state.queue.filter(({ keptUntil }) => keptUntil > now)
})

/** Whether somebody did not come for what was offered. */
export const hasLapsedOffer = (state: State, now: number): boolean =>
  state.holders.some(({ ends, fence }) => fence === 0 && ends <= now)

export const fits = (state: State, permits: number, limit: number): boolean =>
  state.holders.reduce((used, holder) => used + holder.permits, permits) <= limit

export const without = (state: State, owner: string): State => ({
  ...state,
  holders: state.holders.filter((holder) => holder.owner !== owner),
  queue: state.queue.filter((waiter) => waiter.owner !== owner)
})

export const offer = (state: State, { owner, permits }: Pick<Holder, "owner" | "permits">, now: number): State => ({
  ...state,
  holders: [...state.holders, { owner, permits, fence: 0, ends: now + OFFER_MILLIS * 1000, ttlMillis: OFFER_MILLIS }]
})

/** Puts somebody into the queue: to the end, or where a ticket from earlier belongs. */
export const enqueue = (
  state: State,
  { owner, permits, ticket }: Pick<Waiter, "owner" | "permits" | "ticket">,
  now: number
): State => {
  const { queue } = state
  const placed = ticket > 0 ? ticket : Math.max(now, (queue.at(-1)?.ticket ?? 0) + 1)
  const waiter = { owner, permits, ticket: placed, keptUntil: now + keptMicros(queue.length + 1) }
  const place = queue.findLastIndex((other) => other.ticket <= placed) + 1
  return { ...state, queue: queue.toSpliced(place, 0, waiter) }
}

/** Offers what is free to those who wait, strictly in their order: who needs many permits is not overtaken for ever. */
export const advance = (state: State, limit: number, now: number): State => {
  const [first, ...rest] = state.queue
  if (first === undefined || !fits(state, first.permits, limit)) return state
  return advance(offer({ ...state, queue: rest }, first, now), limit, now)
}

/** How long what is stored matters. */
export const ttlMillis = (state: State, now: number): number =>
  FENCE_KEPT_MILLIS + Math.ceil((state.holders.reduce((last, { ends }) => Math.max(last, ends), now) - now) / 1000)
