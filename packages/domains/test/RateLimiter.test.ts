import { MemoryBackend } from "@tiercache/memory-backend"
import { Layer } from "effect"
import { TestClock } from "effect/testing"
import { Elapse } from "./rateLimits/Subject.ts"
import * as Suite from "./rateLimits/Suite.ts"

const elapse = Layer.succeed(Elapse, (duration) => TestClock.adjust(duration))

Suite.suite("rate limits in memory", Layer.merge(MemoryBackend.layer(), elapse), { live: false })
