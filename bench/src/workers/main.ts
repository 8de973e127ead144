/**
 * What runs in a worker: one cache, and what it is told to do with it.
 */
import { setImmediate } from "node:timers/promises"
import { rivalNamed } from "../rivals/index.ts"
import type { Opened } from "../rivals/Rival.ts"
import { fill, load } from "./load.ts"
import { now, versioned } from "./versions.ts"
import type { Answer, Order } from "./Worker.ts"

/** Until a value that does not arrive counts as lost. */
const PATIENCE_MILLIS = 5000

let cache: Opened | undefined

const opened = (): Opened => {
  if (cache === undefined) throw new Error("no cache is open")
  return cache
}

const follow = async (order: Order): Promise<Answer> => {
  switch (order._tag) {
    case "open":
      cache = await rivalNamed(order.rival).open({ redisUrl: order.redisUrl, l1: true })
      return { _tag: "done" }
    case "hold":
      await opened().get(order.key)
      return { _tag: "done" }
    case "write":
      await opened().set(order.key, versioned(order.key, order.version))
      return { _tag: "at", millis: now() }
    case "await": {
      const giveUp = now() + PATIENCE_MILLIS
      while (now() < giveUp) {
        const found = await opened().get(order.key)
        if (found?.last === order.version) return { _tag: "at", millis: now() }
        await setImmediate()
      }
      return { _tag: "at", millis: null }
    }
    case "fill":
      await fill(opened(), order.keys)
      return { _tag: "done" }
    case "load":
      return { _tag: "loaded", report: await load(opened(), order) }
    case "close":
      await opened().close()
      return { _tag: "done" }
  }
}

process.on("message", (order: Order) => {
  follow(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ _tag: "failed", problem: String(error) })
  )
})
