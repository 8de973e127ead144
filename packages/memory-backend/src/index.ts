/**
 * Caching in memory: the L1 store, a backend of its own, and a bus between caches of one process.
 */
export * as InProcessBus from "./InProcessBus.ts"
export * as LruStore from "./LruStore.ts"
export * as MemoryBackend from "./MemoryBackend.ts"
export * as MemoryStore from "./MemoryStore.ts"
