/**
 * What a Redis has done.
 */
import { Redis } from "ioredis"

export interface Counted {
  /** Those that scripts call included. */
  readonly executed: number
  /** Received and sent. */
  readonly bytes: number
}

export interface RedisCounters {
  /** Since the last call. */
  readonly since: () => Promise<Counted>
  readonly close: () => void
}

export const connect = async (url: string): Promise<RedisCounters> => {
  const redis = new Redis(url)
  const total = async (): Promise<Counted> => {
    const info = await redis.info("stats")
    const number = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? NaN)
    return {
      executed: number("total_commands_processed"),
      bytes: number("total_net_input_bytes") + number("total_net_output_bytes")
    }
  }
  let last = await total()
  return {
    since: async () => {
      const before = last
      last = await total()
      return { executed: last.executed - before.executed, bytes: last.bytes - before.bytes }
    },
    close: () => redis.disconnect()
  }
}
