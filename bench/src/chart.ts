/**
 * A bar chart as SVG, which needs neither a library nor a font of its own. Reads well on white and on black.
 */
import { format } from "./format.ts"
import { isMoreBetter, type Measurement } from "./Suite.ts"

const ROW = 22
const LABEL = 290
const BARS = 380
const HEAD = 48

export const chart = (title: string, measurements: ReadonlyArray<Measurement>): string => {
  const unit = measurements[0]?.unit ?? "ns"
  const [first, last] = isMoreBetter(unit) ? ([-1, "more"] as const) : ([1, "less"] as const)
  const rows = measurements.filter(({ value }) => !Number.isNaN(value)).toSorted((a, b) => first * (a.value - b.value))
  const most = Math.max(...rows.map(({ value }) => value).filter(Number.isFinite), Number.MIN_VALUE)
  const ours = rows.find(({ name }) => name.startsWith("tiercache"))
  const height = HEAD + rows.length * ROW + 8
  const width = LABEL + BARS + 150
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#7a7a7a">`,
    `<title>${escape(title)}</title>`,
    `<text x="8" y="20" font-size="14" font-weight="600">${escape(title)}</text>`,
    `<text x="8" y="37" font-size="11">${escape(unit)}; ${last} is better</text>`,
    ...rows.map(({ name, spread, value }, index) => {
      const y = HEAD + index * ROW
      const length = (of: number) => Math.max(1, (Math.min(of, most) / most) * BARS)
      const colour = name.startsWith("tiercache") ? "#2f81f7" : "#9aa4af"
      const ratio =
        ours === undefined || ours.name === name || ours.value === 0 ? "" : ` (${format(value / ours.value)} ×)`
      const end = Math.max(length(value), length(spread?.[1] ?? 0))
      return [
        `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escape(name)}</text>`,
        `<rect x="${LABEL}" y="${y + 3}" width="${length(value).toFixed(1)}" height="${ROW - 6}" rx="2" fill="${colour}"/>`,
        ...(spread === undefined ? [] : [whisker(spread.map(length), y + ROW / 2)]),
        `<text x="${(LABEL + end + 6).toFixed(1)}" y="${y + 15}">${format(value)}${Number.isFinite(value) ? ratio : ""}</text>`
      ].join("\n")
    }),
    "</svg>",
    ""
  ].join("\n")
}

/** From the lowest to the highest of the rounds. */
const whisker = ([from = 0, to = 0]: ReadonlyArray<number>, y: number): string =>
  `<path d="M${(LABEL + from).toFixed(1)} ${y}H${(LABEL + to).toFixed(1)}" stroke="#d4a72c" stroke-width="2"/>`

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
