/**
 * Amounts of money and quantities, exact.
 *
 * **Details**
 *
 * What is owned or owed is added up and compared, so it is never a floating-point number: 0.1 + 0.2 dollars are 0.3.
 */
import { BigDecimal, Schema } from "effect"

/** What a quotient has, of which `BigDecimal.divide` computes 100 digits, and as much again. */
const MAX_PLACES = 200

const MAX_VALUE = 10n ** 400n

/**
 * A decimal number of at most 400 digits, 200 of them after the point; zeros at either end do not count.
 *
 * **Gotchas**
 *
 * The bounds are for what comes from the store: without them a damaged entry such as `1e999999999` would be read, and the
 * first addition would fill the memory with its digits.
 */
export const Decimal = Schema.BigDecimal.check(
  Schema.makeFilter((decimal) => isBounded(decimal), {
    expected: "a decimal of at most 400 digits, 200 of them after the point"
  })
)

export type Decimal = typeof Decimal.Type

/** Of the normal form, in which 1.50 and 1.5 are alike. Zero keeps its own: `0e999999999` is added up as any other number. */
const isBounded = (decimal: BigDecimal.BigDecimal): boolean => {
  const { scale, value } = decimal.value === 0n ? decimal : BigDecimal.normalize(decimal)
  return Math.abs(scale) <= MAX_PLACES && value < MAX_VALUE && value > -MAX_VALUE
}
