import { type Cache, Entity, Secrets } from "@tiercache/core"
import { Redacted, Schema } from "effect"
import { describe, expectTypeOf, it } from "vitest"

const bytes = new Uint8Array(32)
const key = { id: "k1", key: Redacted.make(bytes) }
const ring = Secrets.keyRing([key])

declare const use: (options: Cache.Options) => void

describe("key rings", () => {
  it("are made of redacted keys", () => {
    expectTypeOf(Secrets.keyRing([key, key])).toEqualTypeOf<Secrets.KeyRing>()
    expectTypeOf(Secrets.parse(Redacted.make("k1:"))).toEqualTypeOf<Secrets.KeyRing>()
    // @ts-expect-error it would be printed with what it is in
    Secrets.keyRing([{ id: "k1", key: bytes }])
    // @ts-expect-error which bytes does the text stand for?
    Secrets.keyRing([{ id: "k1", key: Redacted.make("text") }])
    // @ts-expect-error there is no key to encrypt with
    Secrets.keyRing([])
    // @ts-expect-error a key has an id
    Secrets.keyRing([{ key: Redacted.make(bytes) }])
  })

  it("are options of a cache, and text is not", () => {
    use({ secrets: ring })
    // @ts-expect-error it takes Secrets.parse
    use({ secrets: "k1:" })
  })

  it("cannot be copied with other keys in them", () => {
    // @ts-expect-error readonly
    ring.ids = []
  })
})

describe("secret entities", () => {
  const options = { key: { id: Schema.NonEmptyString }, value: Schema.String } as const

  it("are declared", () => {
    expectTypeOf(Entity.make("auth", "token", { ...options, secret: true, l1: true })).toEqualTypeOf<
      Entity.Entity<string, string>
    >()
    // @ts-expect-error it is, or it is not
    Entity.make("auth", "token", { ...options, secret: "yes" })
    // @ts-expect-error the keys are the cache's
    Entity.make("auth", "token", { ...options, secret: ring })
    // @ts-expect-error likewise
    Entity.make("auth", "token", { ...options, l1: "1 minute" })
  })
})
