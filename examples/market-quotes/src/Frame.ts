/**
 * The reports of all processes at one moment, with the speeds that follow from them.
 */
import type { Report } from "./Report.ts"

export interface Row extends Report {
  readonly quotesPerSecond: number
  readonly readsPerSecond: number
}

export interface Frame {
  /** Since the start, in seconds. */
  readonly elapsed: number
  /** How long it is going to last. */
  readonly seconds: number
  /** The symbol whose last price is shown. */
  readonly symbol: string
  readonly rows: ReadonlyArray<Row>
}

/** All reads, those that failed excepted. */
export const readsOf = ({ l1Hits, l2Hits, misses }: Report): number => l1Hits + l2Hits + misses

/** Between 0 and 1; `undefined` before the first read. */
export const l1HitRateOf = (report: Report): number | undefined => {
  const reads = readsOf(report)
  return reads === 0 ? undefined : report.l1Hits / reads
}

/** Speeds since the start. */
export const average = (report: Report): Row => between(undefined, report)

/** What speeds are measured over, in milliseconds: long enough to be calm, short enough to be live. */
const WINDOW = 1000

/** Turns reports into rows with the speeds of the last second, or since the start before there is one. */
export const makeLive = (): ((reports: ReadonlyArray<Report>) => ReadonlyArray<Row>) => {
  const recent = new Map<string, ReadonlyArray<Report>>()
  return (reports) =>
    reports.map((report) => {
      const known = recent.get(report.process) ?? []
      const young = known.filter(({ elapsed }) => report.elapsed - elapsed < WINDOW)
      const oldest = known.at(-young.length - 1)
      recent.set(report.process, [...(oldest === undefined ? [] : [oldest]), ...young, report])
      return between(oldest, report)
    })
}

const between = (from: Report | undefined, to: Report): Row => {
  const seconds = (to.elapsed - (from?.elapsed ?? 0)) / 1000
  const perSecond = (count: number) => (seconds > 0 ? count / seconds : 0)
  return {
    ...to,
    quotesPerSecond: perSecond(to.quotesWritten - (from?.quotesWritten ?? 0)),
    readsPerSecond: perSecond(readsOf(to) - (from === undefined ? 0 : readsOf(from)))
  }
}
