/**
 * A class with decorated methods. It imports types only, so that the test can run what the compiler makes of it anywhere.
 */
import type { cachedMethod, Entity, invalidatesMethod, PromiseCache } from "tiercache"

export interface Tools {
  readonly cachedMethod: typeof cachedMethod
  readonly invalidatesMethod: typeof invalidatesMethod
  readonly cache: PromiseCache
  readonly Names: Entity.Entity<string, string>
}

export const makeUsers = ({ cache, cachedMethod, invalidatesMethod, Names }: Tools) =>
  class Users {
    readonly rows = new Map([["ada", "Ada"]])
    reads = 0

    @cachedMethod(cache, Names, (user: string) => user)
    async name(user: string) {
      this.reads++
      return this.rows.get(user)
    }

    @cachedMethod(cache, Names, (first: string, last: string) => `${first} ${last}`)
    async fullName(first: string, last: string) {
      this.reads++
      return `${this.rows.get(first)} ${last}`
    }

    @invalidatesMethod(cache, (user: string, _name: string) => [Names.key(user)])
    async rename(user: string, name: string) {
      return this.rows.set(user, name).size
    }
  }
