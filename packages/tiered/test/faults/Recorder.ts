/**
 * Does operations on a cache and writes down what they were and what came of them.
 */
import { type CacheBackend, type CacheError, Codec, type Entry } from "@tiercache/core"
import { Effect, Exit, Schedule, Schema } from "effect"
import type * as History from "./History.ts"
import type { Operation } from "./Orders.ts"
import * as SharedClock from "./SharedClock.ts"

type Backend = CacheBackend.CacheBackend["Service"]
type Mutable<A> = { -readonly [Field in keyof A]: A[Field] }

/** Outlives every test. */
const TTL = { ttl: "1 hour" } as const

/** Operations that take longer than several time-outs, of which one operation may need a few, are late. */
const TIMEOUTS_UNTIL_LATE = 4

/** Attempts to look at a key when all is quiet. */
const LOOKS = 20

/** Time is counted in such ticks, so that none passes while the process is stopped or its event loop blocked. */
const TICK_MILLIS = 25

const decodeVersion = Schema.decodeUnknownSync(Schema.Struct({ writer: Schema.String, n: Schema.Finite }))

export class Recorder {
  private readonly process: string
  private readonly backend: Backend
  private readonly lateAfterTicks: number
  private readonly onAcknowledged: (write: History.Write) => void
  private readonly operations: Array<Mutable<History.Read> | Mutable<History.Write>> = []
  private readonly finals: Array<History.Final> = []
  private readonly written = new Map<string, number>()
  private ticks = 0
  private inFlight = 0

  constructor(
    process: string,
    backend: Backend,
    commandTimeoutMillis: number,
    onAcknowledged: (write: History.Write) => void
  ) {
    this.process = process
    this.backend = backend
    this.lateAfterTicks = (TIMEOUTS_UNTIL_LATE * commandTimeoutMillis) / TICK_MILLIS
    this.onAcknowledged = onAcknowledged
    setInterval(() => this.ticks++, TICK_MILLIS).unref()
  }

  history(): History.History {
    return { operations: this.operations, finals: this.finals }
  }

  /** Waits until nothing is in flight any more, or that takes too long. */
  readonly quiet: Effect.Effect<void> = Effect.suspend(() => {
    const ticks = this.ticks
    return Effect.repeat(Effect.sleep("5 millis"), {
      until: () => this.inFlight === 0 || this.ticks - ticks > 2 * this.lateAfterTicks
    })
  })

  run(operation: Operation): Effect.Effect<void> {
    switch (operation._tag) {
      case "Get":
        return this.get(operation.key)
      case "GetMany":
        return this.getMany(operation.keys)
      case "Set":
        return this.set(operation.key, operation.push)
      case "SetMany":
        return this.setMany(operation.keys)
      case "Delete":
        return this.delete(operation.key)
    }
  }

  /** Reads what this process holds. */
  peek(key: string): void {
    const [read] = this.beginReads([key])
    const value = this.backend.peek(key, Codec.msgpack)
    if (read !== undefined) this.endRead(read, value === undefined ? undefined : { value, tier: "l1" })
  }

  get(key: string, options?: CacheBackend.GetOptions): Effect.Effect<void> {
    return this.read(
      [key],
      Effect.map(this.backend.get(key, Codec.msgpack, options), (entry) => [entry])
    )
  }

  /** Looks at a key as a reader does, and then past L1. */
  look(key: string): Effect.Effect<void, CacheError.CacheError> {
    const { backend, finals, process } = this
    const attempt = Effect.gen(function* () {
      // the first read fills L1 if nothing is there, so the second shows what is served from then on
      yield* backend.get(key, Codec.msgpack)
      const entry = yield* backend.get(key, Codec.msgpack)
      const fresh = yield* backend.get(key, Codec.msgpack, { fresh: true })
      return { entry, fresh }
    })
    // a connection that is made anew refuses at once
    return Effect.retry(attempt, { times: LOOKS, schedule: Schedule.spaced("50 millis") }).pipe(
      // on a busy machine, a healthy Redis may be too slow, and L1 not trusted for a moment
      Effect.repeat({
        until: ({ entry, fresh }) => fresh === undefined || entry?.tier === "l1",
        times: LOOKS,
        schedule: Schedule.spaced("50 millis")
      }),
      Effect.map(({ entry, fresh }) => {
        finals.push({
          process,
          key,
          tier: entry?.tier,
          version: versionOf(entry?.value),
          fresh: versionOf(fresh?.value)
        })
      })
    )
  }

  private getMany(keys: ReadonlyArray<string>): Effect.Effect<void> {
    return this.read(keys, this.backend.getMany(keys, Codec.msgpack))
  }

  private set(key: string, push: boolean): Effect.Effect<void> {
    return this.write([key], ([version]) => this.backend.set(key, Codec.msgpack, version, { ...TTL, push }))
  }

  private setMany(keys: ReadonlyArray<string>): Effect.Effect<void> {
    return this.write(keys, (versions) =>
      this.backend.setMany(
        keys.map((key, index) => [key, versions[index]] as const),
        Codec.msgpack,
        TTL
      )
    )
  }

  private delete(key: string): Effect.Effect<void> {
    return this.write([key], () => this.backend.delete(key))
  }

  private read(
    keys: ReadonlyArray<string>,
    effect: Effect.Effect<ReadonlyArray<Entry.Entry<unknown> | undefined>, CacheError.CacheError>
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reads = this.beginReads(keys)
      return this.settling(effect, (exit, settled) => {
        for (const [index, read] of reads.entries()) {
          this.endRead(read, Exit.isSuccess(exit) ? exit.value[index] : undefined)
          if (!Exit.isSuccess(exit)) read.result = "failed"
          read.settled = settled
        }
      })
    })
  }

  private write(
    keys: ReadonlyArray<string>,
    send: (versions: ReadonlyArray<History.Version>) => Effect.Effect<unknown, CacheError.CacheError>
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const writes = keys.map((key) => this.beginWrite(key))
      return this.settling(send(writes.map(({ version }) => version)), (exit, settled) => {
        for (const write of writes) {
          write.end = SharedClock.now()
          write.settled = settled
          if (!Exit.isSuccess(exit)) continue
          write.result = "acknowledged"
          this.onAcknowledged({ ...write })
        }
      })
    })
  }

  /** Runs an operation that has begun, and tells what came of it before anything else happens. */
  private settling<A>(
    effect: Effect.Effect<A, CacheError.CacheError>,
    end: (exit: Exit.Exit<A, CacheError.CacheError>, settled: History.Settled) => void
  ): Effect.Effect<void> {
    const ticks = this.ticks
    this.inFlight++
    const settle = (exit: Exit.Exit<A, CacheError.CacheError>) => {
      this.inFlight--
      end(exit, this.ticks - ticks > this.lateAfterTicks ? "late" : "in time")
    }
    return Effect.exit(Effect.onExit(effect, (exit) => Effect.sync(() => settle(exit))))
  }

  private beginReads(keys: ReadonlyArray<string>): ReadonlyArray<Mutable<History.Read>> {
    const start = SharedClock.now()
    const reads = keys.map((key): Mutable<History.Read> => ({
      op: "read",
      ...this.begun(key, start),
      result: "failed",
      version: undefined,
      tier: undefined
    }))
    this.operations.push(...reads)
    return reads
  }

  private beginWrite(key: string): Mutable<History.Write> {
    const n = (this.written.get(key) ?? 0) + 1
    this.written.set(key, n)
    const write: Mutable<History.Write> = {
      op: "write",
      ...this.begun(key, SharedClock.now()),
      result: "failed",
      version: { writer: this.process, n }
    }
    this.operations.push(write)
    return write
  }

  private begun(key: string, start: number) {
    return { process: this.process, key, start, end: Infinity, settled: "never" } as const
  }

  private endRead(
    read: Mutable<History.Read>,
    entry: { readonly value: unknown; readonly tier: Entry.Tier } | undefined
  ) {
    read.end = SharedClock.now()
    read.settled = "in time"
    read.result = entry === undefined ? "absent" : "found"
    read.version = versionOf(entry?.value)
    read.tier = entry?.tier
  }
}

const versionOf = (value: unknown): History.Version | undefined =>
  value === undefined ? undefined : decodeVersion(value)
