/**
 * Keeps an L1 coherent with the store that it copies.
 *
 * The promise: a read that begins later than `staleness` after a write was acknowledged does not return what that write
 * replaced, whatever happens to the bus, to Redis, to clocks or to this process; and while L1 is trusted the reads of a key
 * do not go backwards. What each part contributes:
 *
 * 1. A writer announces in the same atomic step in which it writes. So a write that happened was published.
 * 2. A message removes its keys from L1 (or replaces them, see 5) and voids the tokens of what is in flight for them
 *    (`FillTokens`). So once the message has been handled, no older value is in L1 or gets in. The message may be handled
 *    before the reply that it overtakes, or after it; both end without the old value. What a caller has read is not followed by
 *    anything older either: a read whose result is not kept leaves nothing in L1, and voids what began before it.
 * 3. L1 is read only under a lease that a heartbeat over the bus renews (`Trust`). The echo of a heartbeat sent at T proves that
 *    every message published before T was handled. At any read before T + bound, what may be unhandled was
 *    published after T, so it was acknowledged less than the bound ago. If messages are late, trust
 *    lapses, and L1 waits unread until the next echo, before which they have arrived; nothing has to be emptied.
 * 4. After a disconnect messages are missing for good. Once the subscription is acknowledged again, L1 is emptied and all
 *    tokens are voided: a new epoch. The same when a bounded table overflows, or when a message is not understood.
 * 5. A message may carry the new value. It replaces the entry only if its version, which Redis gives, is above that of the entry
 *    and nothing is in flight for the key; otherwise it only removes. Messages of one primary arrive in the order of the writes,
 *    but fills do not take part in that order: without versions, a late message could put an older value over a newer fill.
 * 6. An own write enters L1 when Redis has acknowledged it, if its token is still valid. Until then L1 takes nothing in for the key; what
 *    it has may be served, until the write is announced or acknowledged or a reader may have seen what comes after it. The
 *    announcement means nothing else (`OwnWrites`), unless a new epoch has begun since the write did: then its token is forgotten, and its
 *    announcement counts like anybody's.
 * 7. An own set or delete whose outcome is unknown is remembered, and its key deleted before trust is renewed
 *    (`Unacknowledged`). A deletion by tags whose outcome is unknown is repeated likewise. Other writes (counters, scripts, new deadlines, conditional sets) are not undone: if they were executed
 *    they were announced, and what they keep may be somebody else's.
 * 8. A load under a lease is stored by an own write. It happens only if nothing has happened to the key since the lease was taken, so
 *    it is not undone either; and it is announced only if there was an entry, because otherwise no L1 has anything older.
 *    To take, renew and release a lease changes no value. What an L1 may serve as stale is held under the same rules as the rest.
 *
 * Deadlines inside L1 are on the monotonic clock; those of L2 were translated by the backend that read them.
 */
import { type CacheBackend, type Invalidation, KeyPattern, type LocalStore, type MonotonicClock } from "@tiercache/core"
import { Effect, Latch, PubSub, Stream } from "effect"
import * as FillTokens from "./FillTokens.ts"
import * as Doubts from "./internal/doubts.ts"
import type { Rules } from "./internal/rules.ts"
import * as OwnWrites from "./OwnWrites.ts"
import * as Trust from "./Trust.ts"

type EpochCause = keyof CacheBackend.CoherenceStats["epochs"]

const makeCounters = () => ({
  messages: 0,
  removed: 0,
  updated: 0,
  refusedFills: 0,
  heartbeatMillis: NaN,
  lagMillis: NaN,
  epochs: { connected: 0, overflow: 0, flush: 0 }
})

export interface Options {
  readonly boundMillis: number
  readonly rules: Rules
  readonly limits: Limits
}

/** How much the tables keep. */
export interface Limits {
  /** Keys with reads or writes in flight. Each costs about 100 bytes. */
  readonly tokens: number
  /** Keys whose last write is in doubt, and as many tags whose deletion is. */
  readonly unacknowledged: number
  /** Own writes whose announcements may still come. They follow within milliseconds. */
  readonly ownWrites: number
}

export const LIMITS: Limits = { tokens: 100_000, unacknowledged: 10_000, ownWrites: 10_000 }

export interface Parts {
  readonly local: LocalStore.LocalStore["Service"]
  readonly l2: CacheBackend.CacheBackend["Service"]
  readonly bus: Invalidation.Invalidation["Service"]
  readonly now: MonotonicClock.Now
}

export interface Coherence {
  readonly trust: Trust.Trust
  readonly tokens: FillTokens.FillTokens
  readonly ownWrites: OwnWrites.OwnWrites
  /** Removes a key from L1, and keeps what is in flight for it from coming in. */
  readonly forget: (key: string) => void
  readonly forgetMatching: (matches: (key: string) => boolean) => void
  /** Remembers keys whose write may or may not have happened. */
  readonly doubt: (keys: ReadonlyArray<string>) => void
  /** Remembers tags whose deletion may or may not have happened. */
  readonly doubtTags: (tags: ReadonlyArray<string>) => void
  readonly refused: () => void
  /** The state of trust now, and whenever it changes. */
  readonly states: Stream.Stream<Trust.State>
  readonly stats: () => CacheBackend.CoherenceStats
}

/** Heartbeats in a bound: three may be lost before trust is. */
const HEARTBEATS_PER_BOUND = 4

/**
 * Heartbeats that Redis has taken and the bus has not brought, in a row, after which a bus that counts as connected is connected
 * anew. Counted and not timed: a process that was stopped for a minute has missed none.
 */
const UNHEARD_UNTIL_RECONNECT = 4 * HEARTBEATS_PER_BOUND

/** Listens, and sends heartbeats, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  { bus, l2, local, now }: Parts,
  { boundMillis, limits, rules }: Options
) {
  const trust = Trust.make(now, rules.trustLease ? boundMillis : Infinity)
  const tokens = FillTokens.make(limits.tokens, () => beginEpoch("overflow"))
  const ownWrites = OwnWrites.make(limits.ownWrites)
  const states = yield* Effect.acquireRelease(PubSub.sliding<Trust.State>(16), PubSub.shutdown)
  const beatNow = yield* Latch.make()
  const counters = makeCounters()
  const heartbeats = new Map<number, number>()
  let lastState = trust.state()
  let unheard = 0

  const beginEpoch = (cause: EpochCause) => {
    counters.epochs[cause]++
    tokens.voidAll()
    ownWrites.voidAll()
    local.clear()
  }

  const noteState = () => {
    const state = trust.state()
    if (state === lastState) return
    lastState = state
    PubSub.publishUnsafe(states, state)
  }

  const forget = (key: string) => {
    local.delete(key)
    tokens.voidKey(key)
  }

  const doubts = Doubts.make({ l2, now, forget: (keys) => keys.forEach(forget) }, limits.unacknowledged)

  const forgetMatching = (matches: (key: string) => boolean) => {
    for (const key of Array.from(local.keys())) if (matches(key)) local.delete(key)
    tokens.voidMatching(matches)
  }

  /** One key of a message: its entry goes, or is replaced if the message carries a newer one. */
  const apply = (key: string, pushed: Invalidation.Pushed | undefined) => {
    const isInFlight = rules.fillTokens ? tokens.voidKey(key) : false
    // a look, not a use: what is only written must not push out what is read
    const held = local.peek(key)
    if (held === undefined) return
    const isNewer = !isInFlight && pushed !== undefined && pushed.version > held.version
    if (pushed === undefined || (rules.updateOrder && !isNewer) || !replace(key, held, pushed)) {
      counters.removed++
      local.delete(key)
    }
  }

  const replace = (key: string, held: LocalStore.LocalEntry, pushed: Invalidation.Pushed): boolean => {
    if (pushed.goneAfter <= now()) return false
    const snapshot = held.snapshot.decode(pushed.payload, key)
    if (snapshot === undefined) return false
    const { freshUntil, goneAfter, version } = pushed
    if (!local.set(key, { snapshot, freshUntil, goneAfter, version })) return false
    counters.updated++
    return true
  }

  const onMessage = (message: Invalidation.Message) => {
    counters.messages++
    counters.lagMillis = message.ageMillis ?? counters.lagMillis
    // these change no value
    if (message.kind === "released" || message.kind === "failed" || message.kind === "woken") return
    if (message.kind === "flush") return beginEpoch("flush")
    if (message.kind === "pattern")
      return message.keys.forEach((glob) => forgetMatching(KeyPattern.ofGlob(glob).matches))
    const isOwn = message.origin === bus.origin && message.writeId !== undefined
    if (isOwn && (!rules.lateOwnWrites || ownWrites.isExpected(message.writeId))) {
      // who reads because of it must not be served what it has replaced
      if (ownWrites.isInFlight(message.writeId)) for (const key of message.keys) local.delete(key)
      return
    }
    message.keys.forEach((key, index) => apply(key, message.pushed?.[index]))
  }

  const onHeartbeat = (id: number) => {
    const sentAt = heartbeats.get(id)
    if (sentAt === undefined) return
    unheard = 0
    counters.heartbeatMillis = now() - sentAt
    for (const sent of heartbeats.keys()) if (sent <= id) heartbeats.delete(sent)
    trust.extend(sentAt)
    noteState()
  }

  yield* bus.subscribe({
    onMessage,
    onHeartbeat,
    onConnected: () => {
      heartbeats.clear()
      if (rules.emptyOnConnect) beginEpoch("connected")
      unheard = 0
      beatNow.openUnsafe()
    },
    onDisconnected: () => {
      heartbeats.clear()
      if (rules.trustLease) trust.revoke()
      noteState()
    }
  })

  let lastId = 0
  const beat = Effect.gen(function* () {
    noteState()
    if (rules.repeatUnacknowledged) yield* doubts.repeat
    if (unheard >= UNHEARD_UNTIL_RECONNECT) {
      unheard = 0
      yield* bus.reconnect
    }
    const sentAt = now()
    for (const [id, earlier] of heartbeats) if (earlier + boundMillis < sentAt) heartbeats.delete(id)
    heartbeats.set(++lastId, sentAt)
    yield* bus.heartbeat(lastId)
    unheard++
  })

  yield* Effect.forkScoped(
    Effect.ignore(beat).pipe(
      Effect.andThen(Effect.raceFirst(Effect.sleep(boundMillis / HEARTBEATS_PER_BOUND), beatNow.await)),
      Effect.andThen(beatNow.close),
      Effect.forever
    ),
    { startImmediately: true }
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      trust.close()
      noteState()
      local.clear()
    })
  )

  const coherence: Coherence = {
    trust,
    tokens,
    ownWrites,
    forget,
    forgetMatching,
    doubt: (keys) => {
      if (!doubts.addKeys(keys)) beginEpoch("overflow")
    },
    doubtTags: (tags) => {
      if (!doubts.addTags(tags)) beginEpoch("overflow")
    },
    refused: () => {
      counters.refusedFills++
    },
    states: Stream.unwrap(
      Effect.map(PubSub.subscribe(states), (subscription) =>
        // subscribed first: what changes from now on comes after the state as it is now
        Stream.concat(Stream.make(trust.state()), Stream.fromSubscription(subscription))
      )
    ),
    stats: () => ({
      ...counters,
      epochs: { ...counters.epochs },
      state: trust.state(),
      trustLapses: trust.lapses(),
      inFlight: tokens.size(),
      unacknowledged: doubts.size(),
      repeatedDeletes: doubts.repeated()
    })
  }
  return coherence
})
