/**
 * How numbers are written: short, with a unit, in columns that do not jump.
 */

/** `9,812,331` */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US")

/** `500`, `9,812`, `412 k`, `1.21 M` */
export const speed = (perSecond: number): string => {
  if (perSecond < 9_999.5) return count(perSecond)
  if (perSecond < 999_500) return `${Math.round(perSecond / 1000)} k`
  return `${threeDigits(perSecond / 1_000_000)} M`
}

/** `99.98 %`, rounded down: 100 % is all of them. */
export const percent = (ratio: number): string => `${(Math.floor(ratio * 10_000) / 100).toFixed(2)} %`

/** `0.42 µs`, `13.1 µs`, `1.20 ms`, `2.05 s` */
export const micros = (value: number): string => {
  if (value < 999.5) return `${threeDigits(value)} µs`
  if (value < 999_500) return `${threeDigits(value / 1000)} ms`
  return `${threeDigits(value / 1_000_000)} s`
}

/** `< 1 ms`, `11 ms`, `2.05 s`: ages come from timestamps in whole milliseconds. */
export const age = (millis: number): string => {
  if (millis < 1) return "< 1 ms"
  return millis < 999.5 ? `${Math.round(millis)} ms` : `${threeDigits(millis / 1000)} s`
}

/** `192.06` */
export const price = (dollars: number): string => dollars.toFixed(2)

/** `4.0 s` */
export const seconds = (value: number): string => `${value.toFixed(1)} s`

const threeDigits = (value: number): string => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
