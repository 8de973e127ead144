/**
 * Redis' pub/sub: what is published reaches those who are subscribed at that moment, in that order.
 */
import type { Invalidation } from "@tiercache/core"
import type { Fault } from "./Fault.ts"
import type { Stored } from "./Keyspace.ts"

/** An announcement as the scripts publish it. */
export interface Announcement {
  readonly kind: Invalidation.Kind
  readonly origin: string
  readonly writeId: number | undefined
  readonly keys: ReadonlyArray<string>
  readonly pushed: ReadonlyArray<Stored> | undefined
}

export type BusContent =
  | { readonly type: "subscribed" }
  | { readonly type: "heartbeat"; readonly id: number }
  | { readonly type: "announcement"; readonly announcement: Announcement }

/** What a connection to the bus brings, in the order in which it was published after the subscription. */
export interface BusItem {
  /** Of the server when this was published, see `History`. */
  readonly position: number
  readonly content: BusContent
}

/** A connection to the bus, as the server knows it. */
export interface Subscriber {
  readonly origin: string
  readonly receive: (item: BusItem, isAhead?: boolean) => void
}

/** Of so many messages one is lost, if messages are lost. */
const LOST = 5

export class ModelBus {
  readonly subscribers = new Set<Subscriber>()
  private readonly position: () => number
  private readonly fault: Fault | undefined
  /** Announcements that wait for a command of their own, by who wrote. */
  private readonly withheld = new Map<string, Array<BusContent>>()
  /** Those whose subscription is not in force yet: they miss a message. */
  private readonly late = new Set<Subscriber>()
  private published = 0

  constructor(position: () => number, fault: Fault | undefined) {
    this.position = position
    this.fault = fault
  }

  subscribe(subscriber: Subscriber): void {
    subscriber.receive(this.item({ type: "subscribed" }))
    const subscribers = this.fault === "subscribes late" ? this.late : this.subscribers
    subscribers.add(subscriber)
  }

  /** Whether there was a subscription. */
  unsubscribe(subscriber: Subscriber): boolean {
    this.late.delete(subscriber)
    return this.subscribers.delete(subscriber)
  }

  heartbeat(origin: string, id: number): void {
    for (const subscriber of this.subscribers) {
      if (subscriber.origin === origin)
        subscriber.receive(this.item({ type: "heartbeat", id }), this.fault === "heartbeats overtake")
    }
  }

  announce(announcement: Announcement): void {
    const content: BusContent = { type: "announcement", announcement }
    if (this.fault !== "announces apart") return this.publish(content)
    const { origin } = announcement
    this.withheld.set(origin, [...(this.withheld.get(origin) ?? []), content])
  }

  /** Whether there was anything to announce yet. */
  announceWithheld(origin: string): boolean {
    const withheld = this.withheld.get(origin) ?? []
    this.withheld.delete(origin)
    for (const content of withheld) this.publish(content)
    return withheld.length > 0
  }

  private publish(content: BusContent): void {
    if (this.fault === "loses messages" && ++this.published % LOST === 0) return
    for (const subscriber of this.subscribers) subscriber.receive(this.item(content))
    for (const subscriber of this.late) this.subscribers.add(subscriber)
    this.late.clear()
  }

  private item(content: BusContent): BusItem {
    return { position: this.position(), content }
  }
}
