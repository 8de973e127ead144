import { cachedMethod, invalidatesMethod, type PromiseCache, User } from "tiercache"
import type { Ids } from "tiercache"
import { describe, expectTypeOf, it } from "vitest"

declare const cache: PromiseCache
declare const read: (user: string) => Promise<User.Profile | undefined>

describe("decorated methods", () => {
  it("have the types that they are declared with", () => {
    class Users {
      @cachedMethod(cache, User.Profiles, (user: string, _isVerbose: boolean) => user)
      async profile(user: string, isVerbose: boolean) {
        return isVerbose ? read(user) : undefined
      }

      @invalidatesMethod(cache, (user: string) => [User.Profiles.key(user)])
      async forget(user: string) {
        return user.length
      }
    }
    expectTypeOf<Users["profile"]>().toEqualTypeOf<
      (user: string, isVerbose: boolean) => Promise<User.Profile | undefined>
    >()
    expectTypeOf<Users["forget"]>().toEqualTypeOf<(user: string) => Promise<number>>()
  })

  it("take key functions of their arguments, and return what the entity holds", () => {
    class Users {
      // @ts-expect-error the method has another argument
      @cachedMethod(cache, User.Profiles, (user: string) => user)
      async byNumber(user: number) {
        return read(`${user}`)
      }

      // @ts-expect-error it is not what the entity holds
      @cachedMethod(cache, User.Profiles, (user: string) => user)
      async name(user: string) {
        return user
      }

      // @ts-expect-error it returns no promise
      @cachedMethod(cache, User.Profiles, (user: string) => user)
      now(_user: string): User.Profile | undefined {
        return undefined
      }

      // @ts-expect-error text is neither a key nor a tag
      @invalidatesMethod(cache, (user: string) => [`user:profile:${user}`])
      async forget(user: string) {
        return user.length
      }
    }
    void Users
    // @ts-expect-error another kind of id
    cachedMethod(cache, User.Profiles, (connection: Ids.ConnectionId) => connection)
  })
})
