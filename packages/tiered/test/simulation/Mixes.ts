/**
 * Which steps random schedules are made of, and how often each is drawn.
 */
import * as Step from "./Step.ts"

type Weighted = ReadonlyArray<readonly [weight: number, step: Step.Step]>

/** How often each step is drawn, relative to the others. The simple ones come first: fast-check shrinks towards them. */
const moves = (process: number): Weighted => [
  [3, Step.flow(process)],
  [12, Step.serve(process)],
  [12, Step.reply(process)],
  [12, Step.hear(process)]
]

/** The most likely to get in each other's way. */
const fewCalls = (process: number): Weighted => [
  [6, Step.get(process, "a")],
  [3, Step.getFresh(process, "a")],
  [4, Step.set(process, "a")],
  [4, Step.set(process, "a", { push: true })],
  [2, Step.del(process, "a")]
]

const calls = (process: number): Weighted => [
  [8, Step.get(process, "a")],
  [4, Step.getFresh(process, "a")],
  [1, Step.get(process, "b")],
  [1, Step.getMany(process, ["a", "b", "c"])],
  [1, Step.getManyFresh(process, ["a", "b", "c"])],
  [4, Step.set(process, "a")],
  [3, Step.set(process, "a", { push: true })],
  [1, Step.set(process, "a", { ttl: "short" })],
  [1, Step.set(process, "a", { only: "absent" })],
  [1, Step.set(process, "a", { only: "present", push: true })],
  [1, Step.set(process, "b", { push: true })],
  [1, Step.setMany(process, ["c", "b", "a"])],
  [1, Step.setMany(process, ["a", "b"], { push: true })],
  [3, Step.del(process, "a")],
  [1, Step.deleteMany(process, ["a", "b"])],
  [1, Step.expire(process, "a", "short")],
  [1, Step.expire(process, "a", "long")],
  [1, Step.deletePattern(process)]
]

/** Loads, with leases that are taken by hand. */
const leases = (process: number): Weighted => [
  [8, Step.load(process, "a")],
  [3, Step.load(process, "a", { ttl: "short", grace: true })],
  [3, Step.load(process, "a", { always: true })],
  [2, Step.load(process, "a", { always: true, push: true })],
  [1, Step.load(process, "a", { backoff: true })],
  [1, Step.load(process, "b")],
  [1, Step.load(process, "c")],
  [10, Step.look(process)],
  [10, Step.finish(process)],
  [2, Step.fail(process)]
]

const reads = (process: number): Weighted => [
  [8, Step.getOrLoad(process, "a")],
  [2, Step.getOrLoad(process, "a", { push: true, ttl: "short", grace: true })],
  [2, Step.getOrLoad(process, "a", { ttl: "short", grace: true, staleWhileRevalidate: true })],
  [2, Step.getOrLoad(process, "a", { ttl: "short", grace: true, softTimeout: true })],
  [2, Step.getOrLoad(process, "a", { hardTimeout: true, backoff: true })],
  [1, Step.getOrLoad(process, "a", { ttl: "short", refreshAhead: true })],
  [1, Step.getOrLoad(process, "a", { background: true })],
  [2, Step.refresh(process, "a")],
  [1, Step.refresh(process, "a", { push: true })],
  [1, Step.getManyOrLoad(process, ["a", "b", "c"])],
  [1, Step.getManyOrLoad(process, ["c", "a"], { ttl: "short", grace: true })],
  [10, Step.look(process)],
  [10, Step.finish(process)],
  [2, Step.fail(process)],
  [1, Step.interrupt(process)]
]

/** What changes under those who load. */
const fewWrites = (process: number): Weighted => [
  [4, Step.get(process, "a")],
  [2, Step.getFresh(process, "a")],
  [3, Step.del(process, "a")],
  [1, Step.set(process, "a")],
  [1, Step.set(process, "a", { push: true })],
  [1, Step.set(process, "a", { ttl: "short", grace: true })]
]

/** One process loads, slowly, what others delete and load. */
const loadingOrDeleting =
  (load: typeof Step.load | typeof Step.getOrLoad, again: (process: number, key: string) => Step.Step) =>
  (process: number): Weighted =>
    process === 0
      ? [
          [6, Step.serve(0)],
          [6, Step.reply(0)],
          [4, Step.hear(0)],
          [6, load(0, "a")],
          [1, again(0, "a")],
          [4, Step.look(0)],
          [4, Step.finish(0)]
        ]
      : [
          [10, Step.flow(process)],
          [2, load(process, "a")],
          [2, Step.finish(process)],
          [2, Step.del(process, "a")],
          [1, Step.set(process, "a")],
          [1, Step.get(process, "a")]
        ]

const loadAlways = (process: number, key: string) => Step.load(process, key, { always: true })

/** One process reads, slowly, what others write. */
const readingOrWriting = (process: number): Weighted =>
  process === 0
    ? [
        [6, Step.serve(0)],
        [6, Step.reply(0)],
        [4, Step.hear(0)],
        [4, Step.get(0, "a")]
      ]
    : [
        [6, Step.flow(process)],
        [2, Step.set(process, "a")],
        [1, Step.set(process, "a", { push: true })],
        [1, Step.del(process, "a")]
      ]

/** Much expires, while messages are quick enough for L1 to be trusted that long. */
const expiring = (process: number): Weighted => [
  [8, Step.flow(process)],
  [4, Step.serve(process)],
  [4, Step.reply(process)],
  [2, Step.hear(process)],
  [4, Step.get(process, "a")],
  [3, Step.set(process, "a", { ttl: "short" })],
  [1, Step.set(process, "a", { ttl: "short", push: true })],
  [1, Step.set(process, "a", { only: "absent" })],
  [1, Step.expire(process, "a", "short")],
  [1, Step.expire(process, "a", "long")]
]

/** Much of what is loaded expires, or is stale for a while, and loads take long. Of a key that is not there at first. */
const expiringLoads = (process: number): Weighted => [
  [8, Step.flow(process)],
  [1, Step.serve(process)],
  [1, Step.reply(process)],
  [1, Step.hear(process)],
  [2, Step.getOrLoad(process, "c", { ttl: "short", grace: true, backoff: true })],
  [5, Step.getOrLoad(process, "c", { ttl: "short", grace: true, staleWhileRevalidate: true })],
  [3, Step.getOrLoad(process, "c", { ttl: "short", grace: true, softTimeout: true })],
  [1, Step.getOrLoad(process, "c", { ttl: "short", grace: true, refreshAhead: true, push: true })],
  [1, Step.get(process, "c")],
  [1, Step.del(process, "c")],
  [5, Step.finish(process)],
  [1, Step.fail(process)]
]

const slowTime: Weighted = [
  [4, Step.advance(25)],
  [10, Step.advance(60)]
]

/** One process loses its connection again and again. */
const losing = (process: number): Weighted =>
  process === 0
    ? [
        [6, Step.serve(0)],
        [6, Step.reply(0)],
        [6, Step.hear(0)],
        [6, Step.get(0, "a")],
        [6, Step.set(0, "a")],
        [2, Step.set(0, "a", { only: "present" })],
        [3, Step.cut(0)],
        [12, Step.reopen(0)],
        [6, Step.serveOrphan(0)]
      ]
    : [
        [2, Step.flow(process)],
        [1, Step.set(process, "a")]
      ]

/** Steps that are not possible do nothing, so what repairs is drawn more often than what breaks. */
const commandFaults = (process: number): Weighted => [
  [1, Step.timeOut(process)],
  [1, Step.interrupt(process)],
  [3, Step.refuse(process)],
  [3, Step.linger(process)],
  [3, Step.cut(process)],
  [12, Step.reopen(process)],
  [6, Step.serveOrphan(process)]
]

const busFaults = (process: number): Weighted => [
  [2, Step.duplicate(process)],
  [1, Step.sever(process)],
  [4, Step.notice(process)],
  [8, Step.connect(process)]
]

const crashes = (process: number): Weighted => [[1, Step.crash(process)]]

const time: Weighted = [
  [2, Step.advance(10)],
  [4, Step.advance(25)],
  [1, Step.advance(60)],
  [1, Step.advance(110)],
  [1, Step.stall(110)]
]

const muchTime: Weighted = [
  [6, Step.advance(10)],
  [6, Step.advance(25)],
  [4, Step.advance(60)]
]

const losses: Weighted = [
  [2, Step.evict("a")],
  [1, Step.evict("b")],
  [1, Step.flush]
]

const disasters: Weighted = [
  [1, Step.advance(450)],
  [1, Step.restart]
]

export interface Mix {
  readonly processes: number
  readonly each: ReadonlyArray<(process: number) => Weighted>
  readonly rest: ReadonlyArray<Weighted>
}

/** A schedule in which everything goes wrong gets nowhere, so each has its own share of that. */
const written: ReadonlyArray<Mix> = [
  { processes: 2, each: [moves, fewCalls], rest: [] },
  { processes: 2, each: [moves, fewCalls], rest: [muchTime] },
  { processes: 2, each: [readingOrWriting], rest: [muchTime] },
  { processes: 2, each: [expiring], rest: [muchTime] },
  { processes: 2, each: [losing], rest: [] },
  { processes: 2, each: [moves, calls], rest: [time, losses] },
  { processes: 2, each: [moves, calls, busFaults], rest: [time] },
  { processes: 2, each: [moves, calls, commandFaults], rest: [time] },
  { processes: 3, each: [moves, calls, busFaults, commandFaults], rest: [time] },
  { processes: 3, each: [moves, calls, busFaults, commandFaults, crashes], rest: [time, losses, disasters] }
]

/** The same for what is loaded. */
const loaded: ReadonlyArray<Mix> = [
  { processes: 2, each: [moves, reads], rest: [[[2, Step.evict("a")]]] },
  { processes: 2, each: [loadingOrDeleting(Step.getOrLoad, Step.refresh)], rest: [] },
  { processes: 2, each: [moves, reads, fewWrites], rest: [] },
  { processes: 2, each: [moves, reads, fewWrites], rest: [muchTime] },
  { processes: 2, each: [expiringLoads], rest: [slowTime] },
  { processes: 2, each: [moves, reads, calls], rest: [time, losses] },
  { processes: 2, each: [moves, reads, fewWrites, busFaults], rest: [time, losses] },
  { processes: 2, each: [moves, reads, fewWrites, commandFaults], rest: [time] },
  { processes: 3, each: [moves, reads, calls, busFaults, commandFaults, crashes], rest: [time, losses, disasters] }
]

/** The same for leases that are taken by hand. */
const leased: ReadonlyArray<Mix> = [
  { processes: 2, each: [moves, leases], rest: [[[2, Step.evict("a")]]] },
  { processes: 2, each: [loadingOrDeleting(Step.load, loadAlways)], rest: [] },
  { processes: 2, each: [moves, leases, fewWrites], rest: [] },
  { processes: 2, each: [moves, leases, fewWrites], rest: [muchTime] },
  { processes: 2, each: [moves, leases, calls], rest: [time, losses] },
  { processes: 2, each: [moves, leases, fewWrites, busFaults], rest: [time, losses] },
  { processes: 2, each: [moves, leases, fewWrites, commandFaults], rest: [time] },
  { processes: 3, each: [moves, leases, calls, busFaults, commandFaults, crashes], rest: [time, losses, disasters] }
]

/** By what schedules are about. */
export const mixes = { written, loaded, leased }

export type Subject = keyof typeof mixes
