/**
 * Joins what is sent to a server in one turn of the event loop: a hundred reads that are begun together become one command.
 *
 * It is done at the wire, below all that belongs to one operation. Each has its own pass through the gate, its own deadline, follows its own
 * redirections and has its own outcome. The rules that keep it so:
 *
 * 1. One alone is sent as it would be without this. The turn ends with `process.nextTick`: after all that is resumed by what has arrived
 *    together, before anything else can happen. Nothing waits for a timer.
 * 2. Commands are executed in the order in which they were begun: before one of another kind is sent, what is waiting is. Of one kind,
 *    only those on keys of different parts of a cluster may change places. A key that is written twice is written by two commands.
 * 3. An error of the server, or none of its answers, is that of each of them. So the server's redirections and refusals, and the
 *    client's reaction to them, are the same as for one.
 * 4. An error that may concern some keys alone is nobody's: each is sent again by itself, in the time that it has left. The same for keys
 *    that a moving slot has torn apart. It then comes behind what was begun after it, as what is redirected does.
 * 5. A joined command is as large as one of an operation on many keys at most. What is large by itself goes by itself.
 */
import type { Redis } from "ioredis"
import * as redisError from "./redisError.ts"

/** What an operation sends. */
export interface Part {
  readonly key: string
  /** What has different ones cannot be in one command, see `RedisConnection.partOf`. */
  readonly part: number | string
  /** How large it is, beside its key. */
  readonly bytes: number
}

/** The answer to one that has to be sent by itself. */
export const APART = Symbol("apart")

/** An error is a refusal that concerns this one alone. */
export type Answer<Reply> = Reply | Error | typeof APART

/** How commands of one kind are sent. */
export interface Kind<Item extends Part, Reply> {
  /** Of how many items a command is at most, by now. */
  readonly size: () => number
  /** Whether a key can be there twice. */
  readonly isRepeatable: boolean
  readonly alone: (client: Redis, item: Item) => Promise<Reply>
  /** What is answered to each. */
  readonly together: (client: Redis, items: ReadonlyArray<Item>) => Promise<ReadonlyArray<Answer<Reply>>>
}

/** What is larger would hold up the others more than it gains by them. */
const MAX_ITEM_BYTES = 32 * 1024

/** Redis announces so much with values in one message, see `luaParts`. */
const MAX_BYTES = 256 * 1024

interface Flushable {
  readonly send: () => void
}

/** What is about to be sent to a server in this turn of the event loop. */
export class Turn {
  private readonly client: Redis
  private waiting: Flushable | undefined
  private isScheduled = false

  constructor(client: Redis) {
    this.client = client
  }

  enter(joint: Flushable): void {
    if (this.waiting !== joint) this.flush()
    this.waiting = joint
    if (this.isScheduled) return
    this.isScheduled = true
    process.nextTick(this.end)
  }

  /** Sends what is waiting; to be called before anything else is sent. */
  flush(): void {
    const joint = this.waiting
    if (joint === undefined) return
    this.waiting = undefined
    // ioredis-mock has none
    const { stream } = this.client
    stream?.cork()
    joint.send()
    stream?.uncork()
  }

  private readonly end = (): void => {
    this.isScheduled = false
    this.flush()
  }
}

interface Waiting<Item, Reply> {
  readonly item: Item
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

interface Batch<Item, Reply> {
  readonly waiting: Array<Waiting<Item, Reply>>
  readonly keys: Set<string>
  readonly size: number
  room: number
}

/** The commands of one kind to one server. */
export class Joint<Item extends Part, Reply> implements Flushable {
  private readonly client: Redis
  private readonly turn: Turn
  private readonly kind: Kind<Item, Reply>
  /** In the order in which they are sent. */
  private batches: Array<Batch<Item, Reply>> = []
  /** Those that take more. */
  private readonly open = new Map<number | string, Batch<Item, Reply>>()

  constructor(client: Redis, turn: Turn, kind: Kind<Item, Reply>) {
    this.client = client
    this.turn = turn
    this.kind = kind
  }

  /** What is made of the reply to an item. */
  add<A>(item: Item, read: (reply: Reply) => A): Promise<A> {
    return new Promise((resolve, reject) => {
      this.turn.enter(this)
      const onReply = (reply: Reply) => {
        try {
          resolve(read(reply))
        } catch (error) {
          // the others are still to be answered
          reject(error)
        }
      }
      this.batchFor(item).waiting.push({ item, resolve: onReply, reject })
    })
  }

  send(): void {
    const { batches } = this
    this.batches = []
    this.open.clear()
    for (const { waiting } of batches) {
      const [first] = waiting
      if (waiting.length === 1 && first !== undefined) this.sendAlone(first)
      else this.sendTogether(waiting)
    }
  }

  private batchFor({ bytes, key, part }: Item): Batch<Item, Reply> {
    const isLarge = bytes > MAX_ITEM_BYTES
    let batch = isLarge ? undefined : this.open.get(part)
    if (batch === undefined || batch.waiting.length >= batch.size || bytes > batch.room || batch.keys.has(key)) {
      batch = { waiting: [], keys: new Set(), size: this.kind.size(), room: MAX_BYTES }
      this.batches.push(batch)
      // what comes later is sent later
      if (isLarge) this.open.delete(part)
      else this.open.set(part, batch)
    }
    batch.room -= bytes
    if (!this.kind.isRepeatable) batch.keys.add(key)
    return batch
  }

  private sendAlone({ item, reject, resolve }: Waiting<Item, Reply>): void {
    attempt(() => this.kind.alone(this.client, item)).then(resolve, reject)
  }

  private sendTogether(waiting: ReadonlyArray<Waiting<Item, Reply>>): void {
    const items = waiting.map(({ item }) => item)
    attempt(() => this.kind.together(this.client, items)).then(
      (answers) => waiting.forEach((one, index) => this.settle(one, answers[index])),
      (error: unknown) => {
        if (redisError.mayConcernKeys(error)) for (const one of waiting) this.sendAlone(one)
        else for (const { reject } of waiting) reject(error)
      }
    )
  }

  private settle(one: Waiting<Item, Reply>, answer: Answer<Reply> | undefined): void {
    if (answer === APART || answer === undefined) this.sendAlone(one)
    else if (answer instanceof Error) one.reject(answer)
    else one.resolve(answer)
  }
}

/** ioredis throws for some arguments. */
const attempt = <A>(send: () => Promise<A>): Promise<A> => {
  try {
    return send()
  } catch (error) {
    return Promise.reject(error)
  }
}
