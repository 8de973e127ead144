/**
 * A process' connection to the bus: what the server publishes arrives in that order, or not at all.
 *
 * **Details**
 *
 * A connection does not lose a message and bring a later one. Messages may arrive very late; or the connection is severed, and
 * from then on nothing more comes in, which the process may notice much later.
 */
import type { Invalidation } from "@tiercache/core"
import { Effect } from "effect"
import type { Announcement, BusContent, BusItem, ModelBus, Subscriber } from "./ModelBus.ts"

export class BusConnection implements Subscriber {
  readonly origin: string
  /** The position of the last that was heard. */
  heard = 0
  private readonly server: ModelBus
  /** Added to the server's time, it makes the process' own. */
  private readonly offset: number
  private readonly listeners = new Set<Invalidation.Listener>()
  /** What the process believes. */
  private state: "disconnected" | "connecting" | "connected" = "disconnected"
  private items: Array<BusItem> = []
  private lastHeard: BusItem | undefined

  constructor(origin: string, server: ModelBus, offset: number) {
    this.origin = origin
    this.server = server
    this.offset = offset
  }

  service(heartbeat: Invalidation.Invalidation["Service"]["heartbeat"]): Invalidation.Invalidation["Service"] {
    return {
      origin: this.origin,
      subscribe: this.listen,
      heartbeat,
      reconnect: Effect.sync(() => void (this.state === "connected" && this.disconnect()))
    }
  }

  readonly listen: Invalidation.Invalidation["Service"]["subscribe"] = (listener) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => this.listeners.add(listener)),
        () => Effect.sync(() => this.listeners.delete(listener))
      )
    )

  receive(item: BusItem, isAhead = false): void {
    if (isAhead) this.items.unshift(item)
    else this.items.push(item)
  }

  /** Subscribes. The process learns of it by the acknowledgement, which comes before all messages. */
  connect(): boolean {
    if (this.state !== "disconnected") return false
    this.state = "connecting"
    this.server.subscribe(this)
    return true
  }

  /** The next message arrives. */
  hear(): boolean {
    const item = this.items.shift()
    if (item === undefined) return false
    this.lastHeard = item
    this.heard = Math.max(this.heard, item.position)
    this.handle(item.content)
    return true
  }

  /** What was heard last comes once more, behind what is under way. No Redis does that, but a bus may. */
  duplicate(): boolean {
    if (this.lastHeard?.content.type !== "announcement") return false
    this.items.push(this.lastHeard)
    return true
  }

  /** Nothing that is published from now on arrives. */
  sever(): boolean {
    return this.server.unsubscribe(this)
  }

  /** The process sees that its connection was severed. What was under way is lost. */
  notice(): boolean {
    if (this.state === "disconnected" || this.server.subscribers.has(this)) return false
    this.disconnect()
    return true
  }

  private disconnect(): void {
    const wasConnected = this.state === "connected"
    this.server.unsubscribe(this)
    this.state = "disconnected"
    this.items = []
    this.lastHeard = undefined
    if (wasConnected) for (const listener of this.listeners) listener.onDisconnected()
  }

  private handle(content: BusContent): void {
    if (content.type === "subscribed") this.state = "connected"
    const message = content.type === "announcement" ? this.messageOf(content.announcement) : undefined
    for (const listener of this.listeners) {
      if (content.type === "subscribed") listener.onConnected()
      if (content.type === "heartbeat") listener.onHeartbeat?.(content.id)
      if (message !== undefined) listener.onMessage(message)
    }
  }

  private messageOf({ pushed, ...announcement }: Announcement): Invalidation.Message {
    return {
      ...announcement,
      pushed: pushed?.map(({ freshUntil, goneAfter, payload, version }) => ({
        payload,
        version,
        freshUntil: freshUntil + this.offset,
        goneAfter: goneAfter + this.offset
      }))
    }
  }
}
