import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { Watchdog } from "../../src/internal/Watchdog.ts"

const setup = (limits: { readonly commandMillis: number; readonly silentMillis: number }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Redis({ lazyConnect: true, commandTimeout: 7, socketTimeout: 8 })),
      (client) => Effect.sync(() => client.disconnect())
    ),
    (client) => {
      const destroyed = Promise.withResolvers<void>()
      // not connected: all of it that matters here
      Object.assign(client, { stream: { destroy: () => destroyed.resolve() } })
      return { client, destroyed: Effect.promise(() => destroyed.promise), watchdog: new Watchdog(client, limits) }
    }
  )

const timeoutOf = (watchdog: Watchdog) =>
  Effect.callback<ReturnType<Watchdog["begin"]>>((resume) => {
    const wait = watchdog.begin(() => resume(Effect.succeed(wait)))
  })

describe("Watchdog", () => {
  it.live("gives up what is not answered, once, and nothing else", () =>
    Effect.gen(function* () {
      const { watchdog } = yield* setup({ commandMillis: 20, silentMillis: Infinity })
      const answered = watchdog.begin(() => assert.fail("it was answered"))
      assert.isTrue(watchdog.end(answered, true))
      const wait = yield* timeoutOf(watchdog)
      assert.isFalse(watchdog.end(wait, true))
      // the timer goes on for those that come later
      const [one, other] = yield* Effect.all([timeoutOf(watchdog), timeoutOf(watchdog)], { concurrency: "unbounded" })
      assert.isFalse(watchdog.end(one, true) || watchdog.end(other, true))
    })
  )

  it.live("gives up a connection over which nothing comes", () =>
    Effect.gen(function* () {
      const { destroyed, watchdog } = yield* setup({ commandMillis: 5, silentMillis: 20 })
      yield* timeoutOf(watchdog)
      yield* destroyed
    })
  )

  it.effect("takes the place of the timers of ioredis only while there is a connection, and one of ours", () =>
    Effect.gen(function* () {
      const timers = { commandTimeout: 7, socketTimeout: 8 }
      const { client, watchdog } = yield* setup({ commandMillis: 5, silentMillis: 20 })
      watchdog.takeOver()
      watchdog.takeOver()
      assert.deepInclude(client.options, { commandTimeout: undefined, socketTimeout: undefined })
      watchdog.giveBack()
      assert.deepInclude(client.options, timers)
      const lent = yield* setup({ commandMillis: 5, silentMillis: Infinity })
      lent.watchdog.takeOver()
      assert.deepInclude(lent.client.options, timers)
    })
  )
})
