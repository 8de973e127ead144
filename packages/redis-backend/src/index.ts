/**
 * Redis for tiercache, on ioredis: storage, bus, scripts and the server's clock.
 */
export * as BusMessage from "./BusMessage.ts"
export * as RedisBackend from "./RedisBackend.ts"
export * as RedisBus from "./RedisBus.ts"
export * as RedisClock from "./RedisClock.ts"
export * as RedisConnection from "./RedisConnection.ts"
export * as RedisPersistence from "./RedisPersistence.ts"
