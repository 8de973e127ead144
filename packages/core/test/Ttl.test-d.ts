import { Entity, Ttl } from "@tiercache/core"
import { type Duration, Schema } from "effect"
import { describe, expectTypeOf, it } from "vitest"

describe("Ttl.Input", () => {
  it("takes durations", () => {
    expectTypeOf<"5 seconds" | "1 hour" | "0.5 days" | "1 nano">().toExtend<Ttl.Input>()
    expectTypeOf<Duration.Duration>().toExtend<Ttl.Input>()
    expectTypeOf<{ readonly minutes: 5; readonly seconds: 1 }>().toExtend<Ttl.Input>()
  })

  it("does not take numbers, which are seconds to one and milliseconds to another", () => {
    expectTypeOf<number>().not.toExtend<Ttl.Input>()
    expectTypeOf<5>().not.toExtend<Ttl.Input>()
    expectTypeOf<bigint>().not.toExtend<Ttl.Input>()
    expectTypeOf<readonly [number, number]>().not.toExtend<Ttl.Input>()
  })

  it("does not take what never ends", () => {
    expectTypeOf<"Infinity">().not.toExtend<Ttl.Input>()
    expectTypeOf<"-Infinity">().not.toExtend<Ttl.Input>()
    expectTypeOf<"NaN seconds">().not.toExtend<Ttl.Input>()
    expectTypeOf<"Infinity seconds">().not.toExtend<Ttl.Input>()
    expectTypeOf<undefined>().not.toExtend<Ttl.Input>()
  })

  it("does not take other units", () => {
    expectTypeOf<"5 fortnights">().not.toExtend<Ttl.Input>()
    expectTypeOf<"5 years">().not.toExtend<Ttl.Input>()
    expectTypeOf<"5seconds">().not.toExtend<Ttl.Input>()
    expectTypeOf<"5">().not.toExtend<Ttl.Input>()
    expectTypeOf<string>().not.toExtend<Ttl.Input>()
    // @ts-expect-error the units of an object are plural
    Ttl.toMillisUnsafe("set", { second: 5 })
  })

  it("is what an entity takes", () => {
    const options = { key: { symbol: Schema.String }, value: Schema.String }
    Entity.make("market", "quote", { ...options, ttl: "5 seconds" })
    // @ts-expect-error a bare number
    Entity.make("market", "quote", { ...options, ttl: 5 })
  })
})
