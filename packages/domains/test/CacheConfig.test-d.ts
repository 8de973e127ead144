import { Switches } from "@tiercache/core"
import { Duration } from "effect"
import { expectTypeOf, it } from "vitest"
import type * as CacheConfig from "../src/CacheConfig.ts"
import type * as Domains from "../src/Domains.ts"

declare const config: CacheConfig.CacheConfig

it("knows the kinds of data that have a TTL", () => {
  expectTypeOf(config.ttls.get("market:quote")).toEqualTypeOf<Duration.Duration | undefined>()
  expectTypeOf<Exclude<Domains.Name, "auth:oauth">>().toExtend<CacheConfig.TtlName>()
  // @ts-expect-error -- no such kind
  config.ttls.get("market:quot")
  // @ts-expect-error -- told apart by the kind of token
  config.ttls.get("auth:oauth")
})

it("is what switches take", () => [
  Switches.layer(config),
  Switches.layer({ slowOpThreshold: "50 millis" }),
  Switches.layer({ slowOpThreshold: Duration.millis(50) }),
  // @ts-expect-error -- of which unit?
  Switches.layer({ slowOpThreshold: 50 }),
  // @ts-expect-error -- no such switch
  Switches.layer({ logSlow: true })
])
