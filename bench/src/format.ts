/** Numbers with three digits that count. */
export const format = (value: number): string =>
  Number.isFinite(value) ? Number(value.toPrecision(3)).toLocaleString("en") : value === Infinity ? "never" : "–"
