/**
 * The Redis server's time, as this process knows it.
 *
 * **Details**
 *
 * Deadlines in Redis are in the server's time, deadlines in the process in its monotonic time. Each `TIME` command bounds the
 * distance of the two: the server read its clock somewhere between sending and receiving. Kept are the recent
 * samples, and the one with the shortest round trip counts, since it is the tightest (as in NTP's clock filter, RFC 5905,
 * section 10). No wall clock of this machine is involved.
 */
import type { MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import type { Redis } from "ioredis"

/** What answers TIME: seconds and microseconds. */
export type TimeSource = Pick<Redis, "time">

/** Milliseconds, with fractions. */
export interface RedisClock {
  /** The server's time at a moment of this process' monotonic clock. */
  readonly toRedis: (monotonicMillis: number) => number
  /** The moment of this process' monotonic clock at which the server's clock shows a time. */
  readonly toMonotonic: (redisMillis: number) => number
  /** How far off the estimate may be. */
  readonly errorMillis: () => number
  /** Starts anew: a new connection may lead to another server. */
  readonly sync: (client: TimeSource) => Promise<void>
  /** Adds a sample. */
  readonly refresh: (client: TimeSource) => Promise<void>
}

/** Of this many samples the best counts. */
const SAMPLES = 8

/** The first round trips on a connection are slow, so a new one is sampled this often. */
const FIRST_SAMPLES = 3

/** Quartz drifts by up to 0.05 %, so 10 s make at most 5 ms. */
const REFRESH_SECONDS = 10

/** An estimate by `TIME`. */
export const make = (now: MonotonicClock.Now): RedisClock => {
  let samples: ReadonlyArray<Sample> = []
  let best: Sample | undefined
  const keep = (kept: ReadonlyArray<Sample>) => {
    samples = kept.slice(-SAMPLES)
    best = samples.reduce((best, sample) => (sample.error <= best.error ? sample : best))
  }
  const offset = () => best?.offset ?? 0
  return {
    toRedis: (monotonicMillis) => monotonicMillis + offset(),
    toMonotonic: (redisMillis) => redisMillis - offset(),
    errorMillis: () => best?.error ?? Infinity,
    sync: async (client) => {
      keep([await sampleOf(client, now)])
      for (let taken = 1; taken < FIRST_SAMPLES; taken++) keep([...samples, await sampleOf(client, now)])
    },
    refresh: async (client) => {
      const sample = await sampleOf(client, now)
      // what cannot both be true shows that a clock was set, or has drifted: what came before is history
      keep([...samples.filter((earlier) => agree(earlier, sample)), sample])
    }
  }
}

/** A server whose time is given, in microseconds, for tests that move it. */
export const fromTime = (now: MonotonicClock.Now, redisMicros: () => number): RedisClock => {
  const offset = () => redisMicros() / 1000 - now()
  return {
    toRedis: (monotonicMillis) => monotonicMillis + offset(),
    toMonotonic: (redisMillis) => redisMillis - offset(),
    // how it relates to what TIME says is not known
    errorMillis: () => Infinity,
    sync: async () => {},
    refresh: async () => {}
  }
}

/** What is done every second, and every ten. */
export interface Upkeep {
  readonly prepareAgain: () => void
  readonly refresh: Effect.Effect<void>
}

/** Keeps the estimate fresh, and prepares a connection again whose preparation failed, until it is interrupted. */
export const keepFresh = ({ prepareAgain, refresh }: Upkeep): Effect.Effect<never> => {
  let seconds = 0
  return Effect.sleep("1 second").pipe(
    Effect.andThen(
      Effect.suspend(() => {
        prepareAgain()
        return ++seconds % REFRESH_SECONDS === 0 ? refresh : Effect.void
      })
    ),
    Effect.forever
  )
}

/** The server's clock minus ours lies in `offset ± error`. */
interface Sample {
  readonly offset: number
  readonly error: number
}

const sampleOf = async (client: TimeSource, now: MonotonicClock.Now): Promise<Sample> => {
  const sentAt = now()
  const [seconds, micros] = await client.time()
  const receivedAt = now()
  const redisMillis = Number(seconds) * 1000 + Number(micros) / 1000
  return { offset: redisMillis - (sentAt + receivedAt) / 2, error: (receivedAt - sentAt) / 2 }
}

const agree = (a: Sample, b: Sample): boolean => Math.abs(a.offset - b.offset) <= a.error + b.error
