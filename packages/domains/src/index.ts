/**
 * The domains of a trading system as entities.
 */
export * as Market from "./Market.ts"
