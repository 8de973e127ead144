/**
 * The Lua of rate limits against their TypeScript: random histories, run by both with the same clock, which also steps back. Each
 * answer is compared, and the time to live of each key.
 */
import { assert, layer } from "@effect/vitest"
import { CacheBackend, Script } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect } from "effect"
import type { State } from "../src/internal/rateLimitAlgorithm.ts"
import * as Histories from "./rateLimits/Histories.ts"
import * as Random from "./rateLimits/Random.ts"

const STEPS = process.env.TIERCACHE_TEST_FULL === "1" ? 100_000 : 3000
const STEPS_PER_HISTORY = 100

/**
 * The same script in Redis, with keys that do not expire: time is the history's, and Redis knows only its own. Answers with the
 * times to live that the script gave, too.
 */
const kept = <Args, Answer>(script: Script.Script<State, Args, Answer>) =>
  Script.make<State, Args, readonly [answer: Answer, ttls: ReadonlyArray<number>]>({
    ...script,
    lua: `
local server, given = redis, {}
local function body()
  local redis = { pcall = server.pcall }
  function redis.call(command, key, ...)
    if command == 'PEXPIRE' then
      given[key] = tonumber((...))
    elseif command == 'SET' then
      local value, _, ttl = ...
      given[key] = tonumber(ttl)
      server.call('SET', key, value)
    else
      return server.call(command, key, ...)
    end
  end
  ${script.lua}
end
local answer, ttls = body(), {}
for i, key in ipairs(KEYS) do
  ttls[i] = server.call('EXISTS', key) == 0 and -2 or given[key] or -1
end
return { answer or false, ttls }
`,
    reply: (raw) => {
      const [answer, ttls] = Array.isArray(raw) ? raw : []
      return [script.reply(answer), ttls]
    },
    reducer: () => assert.fail("this script runs in Redis")
  })

layer(RedisServer.layer(), { excludeTestServices: true })("Lua and TypeScript", (it) => {
  for (const algorithm of Histories.ALGORITHMS) {
    it.effect(`answer alike, and keep keys for as long: ${algorithm}`, () =>
      Effect.gen(function* () {
        let now = 0
        const { url } = yield* RedisServer.RedisServer
        const context = yield* RedisBackend.make({ url, commandTimeout: "30 seconds", time: () => now })
        const backend = Context.get(context, CacheBackend.CacheBackend)
        const seed = Date.now() % 2 ** 31
        const random = Random.make(seed)
        const inRedis = new Map<string, ReturnType<typeof kept>>()
        for (let index = 0; index < STEPS / STEPS_PER_HISTORY; index++) {
          const keys = new Histories.Keys()
          const steps = [...Histories.history(random, algorithm, STEPS_PER_HISTORY)]
          const names = [0, 1, 2].map((key) => `${algorithm}${index}:{${key}}`)
          yield* Effect.forEach(
            steps,
            (step, at) =>
              Effect.gen(function* () {
                const expected = keys.run(step)
                const ttls = step.keys.map((key) => keys.ttlOf(key))
                now = step.now
                const script = inRedis.get(step.script.name) ?? kept(step.script)
                inRedis.set(step.script.name, script)
                const run = backend.run(
                  { ...script, args: step.script.args },
                  step.keys.map((key) => names[key] ?? ""),
                  step.args
                )
                const answer = yield* run
                assert.deepStrictEqual(
                  answer,
                  [expected, ttls],
                  `seed ${seed}, history ${index}, step ${at}: ${step.text}`
                )
              }),
            { discard: true }
          )
        }
      })
    )
  }
})
