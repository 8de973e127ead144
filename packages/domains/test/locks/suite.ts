/**
 * What locks, semaphores and fenced writes promise, on any backend.
 */
import type { Effect, Scope } from "effect"
import * as Loss from "./lossSuite.ts"
import * as Permits from "./permitSuite.ts"
import * as Queue from "./queueSuite.ts"
import * as Sections from "./sectionSuite.ts"
import type * as Stage from "./Stage.ts"
import type { Test } from "./Subject.ts"

type Register = (title: string, body: (stage: Stage.Stage) => Effect.Effect<void, unknown, Scope.Scope>) => void

/** Registers the tests. */
export const register = (registerOne: Register): void => {
  const test: Test = (title, body) => registerOne(title, (stage) => body(stage, `lock:${crypto.randomUUID()}`))
  for (const suite of [Queue, Sections, Loss, Permits]) suite.register(test)
}
