/**
 * Contracts as tests, for backends of one's own.
 */
export * as CacheBackendTest from "./CacheBackendTest.ts"
export * as ReadThroughTest from "./ReadThroughTest.ts"
export * as RedisCluster from "./RedisCluster.ts"
export * as RedisSentinel from "./RedisSentinel.ts"
export * as RedisServer from "./RedisServer.ts"
export * as TcpProxy from "./TcpProxy.ts"
export * as CacheModel from "./CacheModel.ts"
