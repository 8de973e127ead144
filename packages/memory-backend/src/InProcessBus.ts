/**
 * A bus between several caches of one program, as Redis is between processes. Tests order its faults.
 */
import { CacheError, type Invalidation, MonotonicClock, type Script } from "@tiercache/core"
import { Duration, Effect, FiberSet, type Scope } from "effect"

/** What goes wrong with messages on their way. */
export interface Faults {
  /** Messages arrive this much later, and stay in order. */
  readonly delay?: Duration.Input | undefined
  /** Which messages are lost on their way to a member that stays connected and is told nothing. */
  readonly drop?: ((message: Invalidation.Message, receiver: string) => boolean) | undefined
  /** Which messages arrive twice. */
  readonly duplicate?: ((message: Invalidation.Message, receiver: string) => boolean) | undefined
  /** Which members hear nothing at all, heartbeats included, although they stay connected. */
  readonly mute?: ((receiver: string) => boolean) | undefined
}

export interface Member {
  /** What the member's backend provides to those who listen. */
  readonly invalidation: Invalidation.Invalidation["Service"]
  /** As `invalidation.subscribe`, without what `publishMissing`, `publishPatterns`, `publishEnded` and `publishWoken` announce. */
  readonly subscribeToChanges: Invalidation.Invalidation["Service"]["subscribe"]
  /** Announces a write of this member, to itself too. Reaches others even while this one hears nothing. */
  readonly publish: (kind: Invalidation.Kind, keys: ReadonlyArray<string>, details?: Details) => void
  /** Announces a delete of what was not there: no change, but an L1 may still hold what the store has evicted. */
  readonly publishMissing: (keys: ReadonlyArray<string>) => void
  /** Announces that all keys of some patterns were deleted, those included that only an L1 still has. */
  readonly publishPatterns: (globs: ReadonlyArray<string>) => void
  /** Announces that a lease of this member has ended, see `Lease`: no change. */
  readonly publishEnded: (kind: "released" | "failed", keys: ReadonlyArray<string>, writeId: number) => void
  /** Tells what a script gave to `wake`: no change. */
  readonly publishWoken: Script.Wake
}

export interface InProcessBus {
  /** Joins until the scope closes. Fails with `InvalidOption` if the origin is taken. */
  readonly connect: (origin: string) => Effect.Effect<Member, CacheError.CacheError, Scope.Scope>
  /** Replaces all faults for what is published from now on; `{}` heals. */
  readonly setFaults: (faults: Faults) => void
  /** Cuts a member off: its listeners are told, and hear nothing until `reconnect`. What is under way to it is lost. */
  readonly disconnect: (origin: string) => void
  readonly reconnect: (origin: string) => void
}

/** What a message may tell beyond its keys. */
export type Details = Pick<Invalidation.Message, "writeId" | "pushed">

interface Subscription {
  readonly origin: string
  readonly listener: Invalidation.Listener
  readonly changesOnly: boolean
}

/** Where a message goes: to whom was connected, over that connection, when it was published. */
interface Delivery {
  readonly dueAt: number
  readonly notify: (listener: Invalidation.Listener) => void
  readonly receivers: ReadonlyArray<{ readonly subscription: Subscription; readonly connection: object }>
}

/**
 * Makes a bus.
 *
 * **Details**
 *
 * Without faults a message is delivered before `publish` returns. A message that a listener publishes while it handles
 * another one is delivered after that one, so all members hear all messages in the same order. A listener that
 * throws is logged, and breaks nobody else. Delays run on Effect's clock.
 */
export const make: Effect.Effect<InProcessBus, never, Scope.Scope> = Effect.gen(function* () {
  const now = yield* MonotonicClock.now
  const runFork = yield* FiberSet.makeRuntime()
  /** By origin; a new object for each connection, none while disconnected. */
  const connections = new Map<string, object | undefined>()
  const subscriptions = new Set<Subscription>()
  const pending: Array<Delivery> = []
  let faults: Faults = {}
  let isDelivering = false
  let isWaiting = false

  const guarded = (step: () => void) => {
    try {
      step()
    } catch (error) {
      runFork(Effect.logError("a listener of the bus threw", error))
    }
  }

  const publish = (message: Invalidation.Message, isChange: boolean) => {
    const sentAt = now()
    enqueue(receiversOf(message, isChange), (listener) => listener.onMessage({ ...message, ageMillis: now() - sentAt }))
  }

  const heartbeat = (origin: string, id: number) => {
    const receivers = connected().filter(({ subscription }) => subscription.origin === origin)
    enqueue(receivers, (listener) => listener.onHeartbeat?.(id))
  }

  const enqueue = (receivers: Delivery["receivers"], notify: Delivery["notify"]) => {
    if (receivers.length === 0) return
    const delay = faults.delay === undefined ? 0 : Duration.toMillis(faults.delay)
    pending.push({ notify, receivers, dueAt: now() + delay })
    deliverDue()
  }

  const connected = (): Delivery["receivers"] =>
    [...subscriptions].flatMap((subscription) => {
      const connection = connections.get(subscription.origin)
      const isHeard = connection !== undefined && faults.mute?.(subscription.origin) !== true
      return isHeard ? [{ subscription, connection }] : []
    })

  const receiversOf = (message: Invalidation.Message, isChange: boolean) =>
    connected().flatMap((receiver) => {
      const { changesOnly, origin } = receiver.subscription
      if ((changesOnly && !isChange) || faults.drop?.(message, origin) === true) return []
      return faults.duplicate?.(message, origin) === true ? [receiver, receiver] : [receiver]
    })

  const deliverDue = () => {
    if (isDelivering) return
    isDelivering = true
    for (let next = pending[0]; next !== undefined && next.dueAt <= now(); next = pending[0]) {
      pending.shift()
      deliver(next)
    }
    isDelivering = false
    if (pending.length > 0 && !isWaiting) {
      isWaiting = true
      runFork(deliverLater)
    }
  }

  const deliver = ({ notify, receivers }: Delivery) => {
    for (const { subscription, connection } of receivers) {
      const isListening = subscriptions.has(subscription) && connections.get(subscription.origin) === connection
      if (isListening) guarded(() => notify(subscription.listener))
    }
  }

  const deliverLater = Effect.gen(function* () {
    for (let next = pending[0]; next !== undefined; next = pending[0]) {
      yield* Effect.sleep(next.dueAt - now())
      deliverDue()
    }
  }).pipe(Effect.ensuring(Effect.sync(() => (isWaiting = false))))

  const listenersOf = (origin: string) =>
    [...subscriptions].filter((subscription) => subscription.origin === origin).map(({ listener }) => listener)

  const disconnect = (origin: string) => {
    if (connections.get(origin) === undefined) return
    connections.set(origin, undefined)
    for (const listener of listenersOf(origin)) guarded(() => listener.onDisconnected())
  }

  const reconnect = (origin: string) => {
    if (!connections.has(origin) || connections.get(origin) !== undefined) return
    connections.set(origin, {})
    for (const listener of listenersOf(origin)) guarded(() => listener.onConnected())
  }

  const subscribe = (subscription: Subscription) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          subscriptions.add(subscription)
          if (connections.get(subscription.origin) !== undefined) guarded(() => subscription.listener.onConnected())
        }),
        () => Effect.sync(() => subscriptions.delete(subscription))
      )
    )

  const join = (origin: string) =>
    CacheError.attempt(() => {
      if (connections.has(origin)) throw CacheError.make("connect", "InvalidOption", "the origin is taken")
      connections.set(origin, {})
    })

  return {
    connect: (origin) =>
      Effect.acquireRelease(join(origin), () => Effect.sync(() => connections.delete(origin))).pipe(
        Effect.as({
          invalidation: {
            origin,
            subscribe: (listener) => subscribe({ origin, listener, changesOnly: false }),
            heartbeat: (id) => Effect.sync(() => heartbeat(origin, id)),
            reconnect: Effect.sync(() => {
              if (connections.get(origin) === undefined) return
              disconnect(origin)
              reconnect(origin)
            })
          },
          subscribeToChanges: (listener) => subscribe({ origin, listener, changesOnly: true }),
          publish: (kind, keys, details) => publish({ origin, kind, keys, ...details }, true),
          publishMissing: (keys) => publish({ origin, kind: "delete", keys }, false),
          publishPatterns: (globs) => publish({ origin, kind: "pattern", keys: globs }, false),
          publishEnded: (kind, keys, writeId) => publish({ origin, kind, keys, writeId }, false),
          publishWoken: (names) => publish({ origin, kind: "woken", keys: names }, false)
        })
      ),
    setFaults: (next) => {
      faults = next
    },
    disconnect,
    reconnect
  }
})
