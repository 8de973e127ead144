/**
 * What sentinels tell about a failover.
 *
 * A primary that was frozen, replaced, and goes on takes writes for seconds, until the sentinels make a replica of it; who was
 * connected to it has to leave at once. ioredis has a detector for that, which needs connections to all sentinels for each
 * client and prints when one of them is away.
 */
import { Redis, type RedisOptions } from "ioredis"

const CHANNEL = "+switch-master"

/** Calls a function with the port of the new primary when the group has another one, until what it returns is called. */
export const watch = (
  sentinels: ReadonlyArray<Omit<RedisOptions, "replyMapping">>,
  name: string,
  onSwitch: (port: number) => void
): (() => void) => {
  const clients = sentinels.map((options) => {
    const client = new Redis({ ...options, protocol: 2, enableReadyCheck: false })
    client.on("error", () => {})
    client.on("ready", () => void client.subscribe(CHANNEL).catch(() => client.disconnect(true)))
    client.on("message", (_, text) => {
      const [group, , , , port] = text.split(" ")
      if (group === name) onSwitch(Number(port))
    })
    return client
  })
  return () => {
    for (const client of clients) client.disconnect()
  }
}

/**
 * Leaves a server that is not the new primary, as far as its port shows that. A client that is just connecting has asked a sentinel,
 * which may not have known; to interrupt it would end it for good.
 */
export const leave = (client: Redis, newPort: number): void => {
  const go = () => {
    if (client.stream?.remotePort !== newPort) client.disconnect(true)
  }
  if (client.status === "ready") go()
  else client.once("ready", go)
}
