/**
 * Deleting a thousand entries by their tag, among many others, beside one pass of SCAN over all keys.
 */
import { createCache, Tag } from "tiercache"
import { BentoCache, bentostore } from "bentocache"
import { redisDriver } from "bentocache/drivers/redis"
import { Redis } from "ioredis"
import { inBatches } from "../inBatches.ts"
import { middle } from "../measure.ts"
import type { Context, Measurement, Suite } from "../Suite.ts"

const TAGGED = 1000
/** As large as SCAN goes without making others wait: at 10 000 a step takes 15 ms. */
const SCAN_COUNT = 1000

export const tags: Suite = {
  name: "tags",
  title: "Deleting 1 000 entries by tag",
  run: async (context) => [...(await among(100_000, context)), ...(await among(1_000_000, context))]
}

/** Writes keys that are nobody's, inside of Redis, which is far quicker than sending them. */
const FILL = `
for index = ARGV[1], ARGV[2] do
  redis.call("SET", "other:" .. string.format("%d", index), "a value of about the size that a quote has in MessagePack", "EX", 3600)
end`

const STEP = 20_000

const among = async (others: number, { effort, progress, servers }: Context): Promise<ReadonlyArray<Measurement>> => {
  const redisUrl = await servers.emptied("tags")
  const redis = new Redis(redisUrl)
  progress(`writes ${others} keys`)
  for (let first = 0; first < others; first += STEP) {
    await redis.eval(FILL, 0, first, Math.min(first + STEP, others) - 1)
  }
  const cache = await createCache({
    backend: "redis",
    redis: { url: redisUrl, commandTimeout: "30 seconds" },
    ttl: "1 hour"
  })
  const { hostname: host, port } = new URL(redisUrl)
  const bento = new BentoCache({
    default: "store",
    stores: {
      store: bentostore().useL2Layer(redisDriver({ connection: { host, port: Number(port) }, prefix: "bento" }))
    }
  })
  const millis: Record<string, Array<number>> = {}
  const time = async (name: string, run: () => Promise<unknown>) => {
    const start = performance.now()
    await run()
    ;(millis[name] ??= []).push(performance.now() - start)
  }
  const keys = Array.from({ length: TAGGED }, (_, index) => `tagged:${index}`)
  for (let round = 0; round < Math.min(effort.rounds, 5); round++) {
    progress(`round ${round + 1}, among ${others}`)
    await cache.setMany(
      keys.map((key) => [key, 1] as const),
      { tags: [Tag.of("group", "deleted")] }
    )
    await time("tiercache: deleteTags", () => cache.deleteTags([Tag.of("group", "deleted")]))
    await inBatches(keys, (key) => bento.set({ key, value: 1, tags: ["deleted"] }))
    // marks the tag: what carries it is found out at each later read
    await time("bentocache: deleteByTag", () => bento.deleteByTag({ tags: ["deleted"] }))
    await time("ioredis: one pass of SCAN", async () => {
      let cursor = "0"
      do [cursor] = await redis.scan(cursor, "MATCH", "raw:*", "COUNT", SCAN_COUNT)
      while (cursor !== "0")
    })
  }
  await cache.close()
  await bento.disconnectAll()
  // a million keys are not kept in memory while others are measured
  await redis.flushall()
  redis.disconnect()
  return Object.entries(millis).map(([name, values]): Measurement => ({
    name,
    workload: `among ${others} keys`,
    unit: "ms",
    ...middle(values)
  }))
}
