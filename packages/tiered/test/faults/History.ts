/**
 * What several processes did to a cache, and whether that is allowed.
 *
 * **Details**
 *
 * Times are milliseconds of a monotonic clock that the processes share. An operation is recorded from before its call to after its
 * answer, so a slow machine makes intervals longer, and the checks more lenient: never does it make a violation.
 *
 * Each writer counts its writes to a key, and values say who wrote them and with which number, so a value that was read
 * tells its write. Of two writes to a key, one replaced the other if both are of one writer, who sends them in that order, or if
 * it began after the other was acknowledged. Writes that failed may have happened, at any time since they began.
 */

/** A write of a key: by whom, and their how manieth. */
export interface Version {
  readonly writer: string
  readonly n: number
}

export type Settled = "in time" | "late" | "never"

interface Operation {
  readonly process: string
  readonly key: string
  readonly start: number
  /** `Infinity` for what never settled. */
  readonly end: number
  readonly settled: Settled
}

export interface Read extends Operation {
  readonly op: "read"
  readonly result: "found" | "absent" | "failed"
  /** What was found, and where. */
  readonly version: Version | undefined
  readonly tier: "l1" | "l2" | undefined
}

/** A deletion is a write too: of nothing, with a version. */
export interface Write extends Operation {
  readonly op: "write"
  readonly result: "acknowledged" | "failed"
  readonly version: Version
}

/** What a process saw when nobody wrote any more: first as usual, then past L1. */
export interface Final {
  readonly process: string
  readonly key: string
  readonly tier: "l1" | "l2" | undefined
  readonly version: Version | undefined
  readonly fresh: Version | undefined
}

export interface History {
  readonly operations: ReadonlyArray<Read | Write>
  readonly finals: ReadonlyArray<Final>
}

type Rule = "bounded staleness" | "never backwards" | "converges" | "repeats deletes" | "settles"

export interface Violation {
  readonly rule: Rule
  /** For people. */
  readonly message: string
}

export interface Options {
  /** How long after the acknowledgement of a write reads may return what it replaced. */
  readonly boundMillis: number
}

export const merge = (histories: ReadonlyArray<History>): History => ({
  operations: histories.flatMap(({ operations }) => operations),
  finals: histories.flatMap(({ finals }) => finals)
})

/** What is left of a history if some acknowledged writes, and what was read of them, never were. */
export const without = (history: History, isLost: (write: Write) => boolean): History => {
  const writes = history.operations.filter((operation) => operation.op === "write")
  const lost = new Set(
    writes
      .filter((write) => write.result === "acknowledged" && isLost(write))
      .map(({ key, version }) => `${key} ${nameOf(version)}`)
  )
  return {
    ...history,
    operations: history.operations.filter(({ key, version }) => !lost.has(`${key} ${nameOf(version)}`))
  }
}

/** All violations; none for a history that a coherent cache can have. */
export const check = (history: History, options: Options): ReadonlyArray<Violation> => {
  const writes = indexWrites(history.operations)
  const reads = history.operations.filter((operation) => operation.op === "read")
  return [
    ...reads.flatMap((read) => checkStaleness(read, writes, options)),
    ...groupBy(history.operations, ({ key, process }) => `${process} ${key}`).flatMap((own) => checkOrder(own, writes)),
    ...history.finals.flatMap(checkFinal),
    ...history.finals.flatMap((final) => checkRepeated(final, writes)),
    ...history.operations.flatMap(checkSettled)
  ]
}

/** No read that starts later than the bound after the acknowledgement of a write returns what that write replaced. */
const checkStaleness = (read: Read, writes: Writes, { boundMillis }: Options): ReadonlyArray<Violation> => {
  const { version } = read
  if (version === undefined) return []
  const found = writes.find(read.key, version)
  const newer = writes.of(read.key).find((write) => {
    const isDue = write.result === "acknowledged" && write.end + boundMillis < read.start
    return isDue && isReplacedBy(version, found, write)
  })
  if (newer === undefined) return []
  const age = (read.start - newer.end).toFixed(1)
  return violation("bounded staleness", `${describe(read)}: ${age} ms after ${describe(newer)}`)
}

/** What L1 serves is not older than what the process was told before: by a read, or by the acknowledgement of its own write. */
const checkOrder = (own: ReadonlyArray<Read | Write>, writes: Writes): ReadonlyArray<Violation> => {
  const seen = own.filter((operation) => operation.op === "read" || operation.result === "acknowledged")
  seen.sort((a, b) => a.end - b.end)
  const served = own.filter((operation) => operation.op === "read" && operation.tier === "l1")
  served.sort((a, b) => a.start - b.start)
  const knowledge = new Knowledge()
  let next = 0
  return served.flatMap((read) => {
    for (let told = seen[next]; told !== undefined && told.end < read.start; told = seen[++next]) {
      if (told.version !== undefined) knowledge.add(told, told.version, writes.find(told.key, told.version))
    }
    if (read.version === undefined) return []
    const newer = knowledge.newerThan(read.version, writes.find(read.key, read.version))
    return newer === undefined ? [] : violation("never backwards", `${describe(read)}: after ${describe(newer)}`)
  })
}

/** The newest that a process knows of a key. */
class Knowledge {
  private readonly perWriter = new Map<string, { readonly operation: Read | Write; readonly n: number }>()
  private lastBegun: { readonly operation: Read | Write; readonly begun: number } | undefined

  add(operation: Read | Write, version: Version, write: Write | undefined): void {
    const known = this.perWriter.get(version.writer)
    if (known === undefined || known.n < version.n) this.perWriter.set(version.writer, { operation, n: version.n })
    if (write !== undefined && write.start > (this.lastBegun?.begun ?? -Infinity)) {
      this.lastBegun = { operation, begun: write.start }
    }
  }

  newerThan(version: Version, write: Write | undefined): Read | Write | undefined {
    const known = this.perWriter.get(version.writer)
    if (known !== undefined && known.n > version.n) return known.operation
    if (write?.result !== "acknowledged" || this.lastBegun === undefined) return undefined
    return this.lastBegun.begun > write.end ? this.lastBegun.operation : undefined
  }
}

/** When all is quiet, what L1 serves is what the shared store has. */
const checkFinal = ({ fresh, key, process, tier, version }: Final): ReadonlyArray<Violation> => {
  if (tier !== "l1" || nameOf(version) === nameOf(fresh)) return []
  return violation("converges", `${process} is stuck at ${nameOf(version)} of ${key}, where L2 has ${nameOf(fresh)}`)
}

/** When all is quiet, nothing is left of what a write that failed should have replaced: its key was deleted instead. */
const checkRepeated = ({ fresh, key }: Final, writes: Writes): ReadonlyArray<Violation> => {
  if (fresh === undefined) return []
  const failed = writes
    .of(key)
    .find(({ result, version }) => result === "failed" && version.writer === fresh.writer && version.n > fresh.n)
  return failed === undefined
    ? []
    : violation("repeats deletes", `${nameOf(fresh)} is left of ${key}: ${describe(failed)}`)
}

const checkSettled = (operation: Read | Write): ReadonlyArray<Violation> =>
  operation.settled === "in time" ? [] : violation("settles", `${describe(operation)}: settled ${operation.settled}`)

const isReplacedBy = (version: Version, found: Write | undefined, write: Write): boolean => {
  if (write.version.writer === version.writer) return write.version.n > version.n
  return found?.result === "acknowledged" && found.end < write.start
}

interface Writes {
  readonly of: (key: string) => ReadonlyArray<Write>
  readonly find: (key: string, version: Version) => Write | undefined
}

const indexWrites = (operations: ReadonlyArray<Read | Write>): Writes => {
  const writes = operations.filter((operation) => operation.op === "write")
  const byKey = new Map(groupBy(writes, ({ key }) => key).map((group) => [group[0]?.key, group]))
  const byVersion = new Map(writes.map((write) => [`${write.key} ${nameOf(write.version)}`, write]))
  return {
    of: (key) => byKey.get(key) ?? [],
    find: (key, version) => byVersion.get(`${key} ${nameOf(version)}`)
  }
}

const groupBy = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string): Array<Array<A>> => [
  ...Map.groupBy(items, keyOf).values()
]

const violation = (rule: Rule, message: string): ReadonlyArray<Violation> => [{ rule, message }]

const nameOf = (version: Version | undefined): string =>
  version === undefined ? "nothing" : `${version.writer}#${version.n}`

const describe = ({ end, key, op, process, start, version, ...rest }: Read | Write): string => {
  const tier = "tier" in rest && rest.tier !== undefined ? ` from ${rest.tier}` : ""
  return `${process} ${op}s ${key} = ${nameOf(version)}${tier} (${start.toFixed(1)}-${end.toFixed(1)}, ${rest.result})`
}

/** Numbers that show whether a history is worth checking. */
export interface Summary {
  readonly reads: number
  readonly l1Hits: number
  readonly failedReads: number
  readonly acknowledged: number
  readonly failedWrites: number
  /** The longest time after the acknowledgement of a write at which a read of what it replaced began. */
  readonly maxAgeMillis: number
}

export const summarize = ({ operations }: History): Summary => {
  const writes = indexWrites(operations)
  const reads = operations.filter((operation) => operation.op === "read")
  const written = operations.filter((operation) => operation.op === "write")
  return {
    reads: reads.length,
    l1Hits: reads.filter(({ tier }) => tier === "l1").length,
    failedReads: reads.filter(({ result }) => result === "failed").length,
    acknowledged: written.filter(({ result }) => result === "acknowledged").length,
    failedWrites: written.filter(({ result }) => result === "failed").length,
    maxAgeMillis: Math.round(reads.reduce((max, read) => Math.max(max, ageOf(read, writes)), 0))
  }
}

const ageOf = (read: Read, writes: Writes): number => {
  const { version } = read
  if (version === undefined) return 0
  const found = writes.find(read.key, version)
  return writes.of(read.key).reduce((max, write) => {
    const isNewer = write.result === "acknowledged" && isReplacedBy(version, found, write)
    return isNewer ? Math.max(max, read.start - write.end) : max
  }, 0)
}
