/**
 * Obtaining permits of a lock or semaphore, and giving them back, whatever happens in between.
 */
import { type CacheBackend, CacheError, Histogram, type MonotonicClock } from "@tiercache/core"
import { randomBytes } from "node:crypto"
import { Effect, Exit, Option, Predicate, Result, Schedule, type Tracer } from "effect"
import { LockHeld } from "../LockError.ts"
import * as Lease from "./lockLease.ts"
import type { LockMetrics } from "./lockMetrics.ts"
import * as Scripts from "./lockScripts.ts"
import * as State from "./lockState.ts"
import * as Waiters from "./lockWaiters.ts"

export interface Request {
  /** For people. */
  readonly name: string
  readonly key: string
  readonly permits: number
  readonly limit: number
  readonly ttlMillis: number
  /** May be infinite. */
  readonly waitMillis: number
  readonly inTurn: boolean
  /** How many replicas have to know of a grant before it counts. */
  readonly replicas: number
}

export interface Permits {
  /**
   * Once it has succeeded, the lease has to be ended; whatever else comes of it, nothing is left behind. So it runs in an
   * uninterruptible region; its waiting is what `restore` makes of it.
   */
  readonly obtain: (
    request: Request,
    restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  ) => Effect.Effect<Lease.Lease, LockHeld | CacheError.CacheError>
  /** How many in this process wait. */
  readonly waiting: () => number
  readonly metrics: LockMetrics
}

const OWNER_BYTES = 16

/** Before a store that could not be reached is asked again. */
const UNREACHABLE_PAUSE_MILLIS = 100

/** Between two times that the first in the queue asks: what a dead holder costs beyond its lease. */
const MIN_PAUSE_MILLIS = 200

/** Before a release that did not arrive is tried again. */
const RELEASE_PAUSE_MILLIS = 250

/** What an acquisition may have left behind in the store. */
interface Traces {
  isLeft: boolean
  /** Until when a request that got no answer may be carried out yet, by the monotonic clock. */
  lateUntil: number
}

export const make = Effect.fnUntraced(function* (backend: CacheBackend.CacheBackend["Service"], metrics: LockMetrics) {
  const scope = yield* Effect.scope
  const now = yield* Lease.clocks
  const monotonic: MonotonicClock.Now = () => now().monotonic
  const waiters = yield* Waiters.make(backend)
  /** Who has what in this process, as far as traces tell. */
  const holders = new Map<string, Tracer.Span>()
  /** When what others in this process wait for was given back. */
  const freedAt = new Map<string, number>()

  const release = ({ key, limit, ttlMillis }: Request, owner: string, { lateUntil }: Traces) => {
    const once = backend.run(Scripts.release, [key], { owner, limit })
    const later = once.pipe(
      Effect.retry({
        while: (error) => isPassing(error) || error.reason === "Refused",
        schedule: Schedule.spaced(RELEASE_PAUSE_MILLIS).pipe(Schedule.upTo({ duration: ttlMillis }))
      }),
      Effect.ignore
    )
    const repeat = (pauseMillis: number) => Effect.forkIn(Effect.delay(later, Math.ceil(pauseMillis)), scope)
    return Effect.matchEffect(once, {
      onSuccess: (released) => {
        const lateMillis = lateUntil - monotonic()
        const wasThere = released !== "nothing"
        // a request that comes after its release would keep others out until the lease ends
        return lateMillis > 0 ? Effect.as(repeat(lateMillis), wasThere) : Effect.succeed(wasThere)
      },
      // what did not arrive, or found the memory full, would keep others out until the lease ends; what did is found gone, which
      // tells nothing
      onFailure: () => Effect.as(repeat(Math.max(RELEASE_PAUSE_MILLIS, lateUntil - monotonic())), true)
    })
  }

  /** Fails if too few replicas know of what was granted. */
  const replicated = ({ key, replicas }: Request) => {
    if (replicas === 0) return Effect.void
    if (backend.awaitReplicas === undefined) return Effect.fail(noReplicas())
    return Effect.flatMap(backend.awaitReplicas(key, replicas), (count) =>
      count >= replicas ? Effect.void : Effect.fail(tooFew(count, replicas))
    )
  }

  /** Asks until it is granted or the time to wait is over. */
  const asking = Effect.fnUntraced(function* (
    request: Request,
    owner: string,
    pause: (millis: number) => Effect.Effect<void>,
    deadline: number,
    traces: Traces
  ) {
    const { inTurn, key, limit, permits, ttlMillis } = request
    let ticket = 0
    for (;;) {
      const askedAt = now()
      const left = deadline - askedAt.monotonic
      const waits = left > 0
      const wasQueued = ticket > 0
      const { lateUntil } = traces
      traces.isLeft = true
      traces.lateUntil = askedAt.monotonic + backend.lateMillis
      const asked = yield* Effect.result(
        backend.run(Scripts.ask, [key], { owner, permits, limit, ttlMillis, ticket, waits, inTurn })
      )
      if (Result.isSuccess(asked)) traces.lateUntil = lateUntil
      if (Result.isFailure(asked)) {
        if (!waits || !isPassing(asked.failure)) return yield* asked.failure
        yield* pause(Math.ceil(Math.min(left, UNREACHABLE_PAUSE_MILLIS)))
      } else if (asked.success.isGranted) {
        const known = yield* Effect.result(replicated(request))
        const isValid = Lease.remaining(askedAt, now(), ttlMillis) > 0
        if (isValid && Result.isSuccess(known)) return { askedAt, fence: asked.success.fence }
        // asked for again, it is granted anew; a release that is repeated later would take that away
        const failure = Result.isFailure(known) ? known.failure : tooSlow()
        if (!waits || !isPassing(failure)) return yield* failure
        yield* pause(Math.ceil(Math.min(left, UNREACHABLE_PAUSE_MILLIS)))
      } else {
        traces.isLeft = waits || wasQueued
        if (!waits) return yield* new LockHeld({ lock: request.name })
        ticket = asked.success.ticket
        yield* pause(Math.ceil(Math.min(left, pauseMillis(asked.success))))
      }
    }
  })

  /** One's turn in this process, or the end of the time to wait. */
  const inLine = <A, E>(
    { key, name, waitMillis }: Request,
    use: (deadline: number) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | LockHeld> =>
    Effect.acquireUseRelease(
      Effect.sync(() => waiters.join(key)),
      (turn) => {
        const deadline = monotonic() + waitMillis
        const held: Effect.Effect<A, E | LockHeld> = Effect.suspend(() => Effect.fail(new LockHeld({ lock: name })))
        return Effect.flatMap(Effect.timeoutOption(turn.await, waitMillis), () =>
          turn.isOpen() ? use(deadline) : held
        )
      },
      (turn) => Effect.sync(() => waiters.quit(key, turn))
    )

  const waitingFor = (request: Request, owner: string, traces: Traces) =>
    inLine(request, (deadline) =>
      Effect.acquireUseRelease(
        waiters.enter(owner),
        ({ pause }) => asking(request, owner, pause, deadline, traces),
        () => Effect.sync(() => waiters.leave(owner))
      )
    )

  /** Times what becomes of asking. The span tells whom it waits for, if that is in this process. */
  const observed = <A, E>({ key }: Request, ask: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const startedAt = monotonic()
      const holder = holders.get(key)
      const options = { links: holder === undefined ? [] : [{ span: holder, attributes: {} }] }
      return Effect.useSpan(`tiercache.${metrics.kind}.acquire`, options, (span) =>
        Effect.onExit(Effect.withParentSpan(ask, span), (exit) =>
          Effect.sync(() => {
            const time = monotonic()
            count(exit)
            if (Exit.isSuccess(exit)) {
              holders.set(key, span)
              Histogram.record(metrics.wait, time - startedAt)
              const freed = freedAt.get(key)
              if (freed !== undefined && freed >= startedAt) Histogram.record(metrics.handOff, time - freed)
            }
            freedAt.delete(key)
          })
        ).pipe(Effect.map((granted) => ({ granted, span })))
      )
    })

  const count = (exit: Exit.Exit<unknown, unknown>) => {
    if (Exit.isSuccess(exit)) metrics.acquired++
    else if (Exit.hasInterrupts(exit)) metrics.interrupted++
    else if (isHeld(Option.getOrUndefined(Exit.findErrorOption(exit)))) metrics.timedOut++
    else metrics.failed++
  }

  /** Gives back what was obtained. */
  const giveBack = (request: Request, owner: string, traces: Traces, span: Tracer.Span) =>
    Effect.suspend(() => {
      const { key } = request
      if (holders.get(key) === span) holders.delete(key)
      if (waiters.isAwaited(key)) freedAt.set(key, monotonic())
      return release(request, owner, traces)
    })

  const permits: Permits = {
    metrics,
    obtain: (request, restore) =>
      Effect.suspend(() => {
        const owner = randomBytes(OWNER_BYTES).toString("base64url")
        const traces: Traces = { isLeft: false, lateUntil: -Infinity }
        const ask =
          request.waitMillis > 0
            ? waitingFor(request, owner, traces)
            : asking(request, owner, () => Effect.void, -Infinity, traces)
        return observed(request, restore(ask)).pipe(
          Effect.onError(() => Effect.suspend(() => (traces.isLeft ? release(request, owner, traces) : Effect.void))),
          Effect.flatMap(({ granted: { askedAt, fence }, span }) =>
            Lease.make({
              metrics,
              now,
              askedAt,
              fence,
              ttlMillis: request.ttlMillis,
              renew: backend.run(Scripts.renew, [request.key], { owner, ttlMillis: request.ttlMillis }),
              release: giveBack(request, owner, traces, span)
            })
          )
        )
      }),
    waiting: waiters.size
  }
  return permits
})

/** The first in the queue is there when the lease ends on which it waits; the others leave it the time of an offer. */
const pauseMillis = ({ leaseMillis, place }: Extract<Scripts.Answer, { readonly isGranted: false }>): number => {
  const atMost = State.PAUSE_MILLIS + State.PAUSE_STEP_MILLIS * place
  if (leaseMillis === 0) return atMost
  // a short lease that is renewed all the time is no reason to ask all the time
  return Math.min(atMost, place === 0 ? Math.max(leaseMillis + 1, MIN_PAUSE_MILLIS) : leaseMillis + State.OFFER_MILLIS)
}

/** What may be otherwise in a moment. */
const isPassing = ({ reason }: CacheError.CacheError): boolean => reason === "Unavailable" || reason === "Timeout"

const isHeld = Predicate.isTagged("LockHeld")

const noReplicas = () => CacheError.make("lock", "Unsupported", "this backend knows of no replicas")

const tooFew = (count: number, replicas: number) =>
  CacheError.make("lock", "Unavailable", `${count} of ${replicas} replicas have what was granted`)

const tooSlow = () =>
  CacheError.make("lock", "Timeout", "the store's answer took longer than the lease that it granted")
