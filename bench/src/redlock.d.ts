/** Its package does not export its own types. */
declare module "redlock" {
  import type { Redis } from "ioredis"

  interface Lock {
    readonly release: () => Promise<unknown>
  }

  export default class Redlock {
    constructor(
      clients: ReadonlyArray<Redis>,
      settings: { retryCount: number; retryDelay: number; retryJitter: number }
    )
    acquire(resources: ReadonlyArray<string>, millis: number): Promise<Lock>
  }
}
