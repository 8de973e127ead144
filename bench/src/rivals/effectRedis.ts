/**
 * Effect's `Redis` service over ioredis, the client of most others.
 */
import { Effect, Layer } from "effect"
import { Redis } from "effect/persistence"
import type { Redis as Client } from "ioredis"

export const layer = (client: Client): Layer.Layer<Redis.Redis> =>
  Layer.effect(
    Redis.Redis,
    Redis.make({
      send: <A>(command: string, ...args: ReadonlyArray<string>) =>
        Effect.tryPromise({
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a reply has the type that its command promises
          try: () => client.call(command, ...args) as Promise<A>,
          catch: (cause) => new Redis.RedisError({ cause })
        }),
      subscribe: () => unused,
      connect: unused
    })
  )

const unused = Effect.die("neither channels nor commands that block are used")
