/**
 * Who owns which slots of a cluster, as its nodes tell.
 *
 * Each node tells of all, and knows for certain about itself only. Two may claim a slot for a moment, after a failover or while
 * slots move: then the one with the higher epoch is right, which is how the nodes settle it among themselves. See
 * https://redis.io/docs/latest/commands/cluster-nodes/ for the form.
 */
import { SLOTS } from "./slots.ts"

/** The slots from the first to the last. */
type Range = readonly [first: number, last: number]

/** What one line tells about a node. */
export interface Member {
  readonly id: string
  readonly host: string
  readonly port: number
  /** By which redirections may name it, if it has one. */
  readonly hostname: string | undefined
  readonly isPrimary: boolean
  /** Whether it tells about itself. */
  readonly isSelf: boolean
  /** Most nodes agree that it is away. */
  readonly isFailed: boolean
  readonly epoch: number
  readonly slots: ReadonlyArray<Range>
  /** The nodes to or from which it moves slots; only a node itself tells. */
  readonly partners: ReadonlyArray<string>
  /** The slots that it moves. */
  readonly moving: ReadonlyArray<number>
}

/** The primaries, and for each slot the index of the one that owns it, or -1. */
export interface View {
  readonly primaries: ReadonlyArray<Member>
  readonly owners: Int16Array
}

/** Reads one line; `asked` is the host that has told, for a node that does not know its own address. */
export const parseLine = (line: string, asked: string): Member | undefined => {
  const [id = "", address = "", flagList = "", , , , epoch, , ...slots] = line.split(" ")
  // `host:port@busPort,hostname`, where either host may be missing
  const found = /^(.*):(\d+)(?:@\d+)?(?:,([^,=]*))?/.exec(address)
  if (found === null || id === "") return undefined
  const [, host, port, hostname] = found
  const flags = flagList.split(",")
  // a node that was not met yet, or whose address nobody knows
  if (flags.includes("handshake") || flags.includes("noaddr")) return undefined
  const moves = slots.flatMap((slot) => {
    const move = /^\[(\d+)-[<>]-(\w+)\]$/.exec(slot)
    return move === null ? [] : [move]
  })
  return {
    id,
    host: host || hostname || asked,
    port: Number(port),
    hostname: hostname === "" ? undefined : hostname,
    isPrimary: flags.includes("master"),
    isSelf: flags.includes("myself"),
    isFailed: flags.includes("fail"),
    epoch: Number(epoch),
    slots: slots.flatMap((slot) => {
      const range = /^(\d+)(?:-(\d+))?$/.exec(slot)
      return range === null ? [] : [[Number(range[1]), Number(range[2] ?? range[1])] as const]
    }),
    partners: [...new Set(moves.map(([, , partner = ""]) => partner))],
    moving: moves.map(([, slot]) => Number(slot))
  }
}

/** Reads what a node has told about all. */
export const parse = (text: string, asked: string): ReadonlyArray<Member> =>
  text.split("\n").flatMap((line) => parseLine(line, asked) ?? [])

/** Makes one view of what several nodes have told. */
export const merge = (answers: ReadonlyArray<ReadonlyArray<Member>>): View => {
  const known = new Map<string, Member>()
  for (const member of answers.flat()) {
    const other = known.get(member.id)
    if (other === undefined || isBetter(member, other)) known.set(member.id, member)
  }
  const primaries = [...known.values()].filter(
    ({ isFailed, isPrimary, slots }) => isPrimary && (!isFailed || slots.length > 0)
  )
  const places = new Map(primaries.map(({ id }, place) => [id, place]))
  const owners = new Int16Array(SLOTS).fill(-1)
  // what nodes say of others fills gaps only: they were not asked at the same moment, and slots move
  for (const { id, slots } of answers.flat().toSorted(byWeight)) {
    const place = places.get(id)
    if (place !== undefined) for (const [first, last] of slots) owners.fill(place, first, last + 1)
  }
  return { primaries, owners }
}

const byWeight = (one: Member, other: Member): number =>
  Number(one.isSelf) - Number(other.isSelf) || one.epoch - other.epoch

const isBetter = (one: Member, other: Member): boolean =>
  one.isSelf === other.isSelf ? one.epoch > other.epoch : one.isSelf

/**
 * Whether the members own all slots that the view knows an owner of, and exchange them with each other only. `selves` is what each
 * has told about itself.
 *
 * If so, whatever was written before they told it was written at one of them.
 */
export const isCovered = (view: View, selves: ReadonlyArray<Member>): boolean => {
  const ids = new Set(selves.map(({ id }) => id))
  if (!selves.every(({ isPrimary, partners }) => isPrimary && partners.every((id) => ids.has(id)))) return false
  const claimed = new Uint8Array(SLOTS)
  for (const { slots } of selves) for (const [first, last] of slots) claimed.fill(1, first, last + 1)
  return view.owners.every((owner, slot) => owner < 0 || claimed[slot] === 1)
}
