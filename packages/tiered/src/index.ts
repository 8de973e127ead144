/**
 * An L1 inside the process in front of any shared store.
 */
export * as TieredBackend from "./TieredBackend.ts"
