/**
 * What reading through costs on the wire: the commands that Redis gets from clients, as MONITOR tells them.
 */
import { assert, layer } from "@effect/vitest"
import { Cache, CacheBackend } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Fiber } from "effect"
import { eventually, makeBackend, makeClient } from "./support.ts"

/** Two caches, and the names of the commands about a key that the server has received since the last look. */
const open = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  const make = Effect.flatMap(makeBackend({ url }), (backend) =>
    Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
  )
  const caches = [yield* make, yield* make] as const
  // scripts are sent in full the first time
  for (const cache of caches) {
    yield* cache.getManyOrLoad(["warm", crypto.randomUUID(), crypto.randomUUID()], (ids) =>
      Effect.succeed(ids.map((id) => [id, 1] as const))
    )
    yield* cache.refresh("warm", Effect.succeed(2))
    yield* Effect.flip(cache.getOrLoad(crypto.randomUUID(), Effect.fail("down")))
  }
  const client = yield* makeClient(url)
  const monitor = yield* Effect.acquireRelease(
    Effect.promise(() => client.monitor()),
    (monitor) => Effect.sync(() => monitor.disconnect())
  )
  let seen: ReadonlyArray<{ readonly name: string; readonly text: string }> = []
  monitor.on("monitor", (_: string, [name = "", ...args]: ReadonlyArray<string>, source: string) => {
    if (source !== "lua") seen = [...seen, { name: name.toLowerCase(), text: args.join(" ") }]
  })
  const commandsAbout = (id: string) => seen.filter(({ text }) => text.includes(id)).map(({ name }) => name)
  /** All until now. */
  const commands = (id: string) =>
    Effect.gen(function* () {
      const mark = crypto.randomUUID()
      yield* Effect.promise(() => client.echo(mark))
      yield* eventually(Effect.sync(() => seen.some(({ text }) => text.includes(mark))))
      const names = commandsAbout(id)
      seen = []
      return names
    })
  return { caches, commands, commandsAbout }
})

const never = Effect.die("not to be loaded")

layer(RedisServer.layer(), { excludeTestServices: true })("on the wire", (it) => {
  it.effect(
    "a miss is one command that asks and one that stores, a hit one that asks",
    Effect.fnUntraced(function* () {
      const {
        caches: [a, b],
        commands
      } = yield* open
      const id = crypto.randomUUID()
      yield* a.getOrLoad(id, Effect.succeed(1))
      assert.deepStrictEqual(yield* commands(id), ["evalsha", "evalsha"])
      assert.strictEqual(yield* b.getOrLoad(id, never), 1)
      assert.deepStrictEqual(yield* commands(id), ["evalsha"])
    })
  )

  it.effect(
    "many misses are one read of all, one command that asks and one that stores",
    Effect.fnUntraced(function* () {
      const {
        caches: [a, b],
        commands
      } = yield* open
      const id = crypto.randomUUID()
      const ids = Array.from({ length: 50 }, (_, index) => `${id}:${index}`)
      yield* a.getManyOrLoad(ids, (missing) => Effect.succeed(missing.map((id) => [id, 0] as const)))
      const [read, ...others] = yield* commands(id)
      assert.notStrictEqual(read, undefined)
      assert.deepStrictEqual(others, ["evalsha", "evalsha"])
      yield* b.getManyOrLoad(ids, () => never)
      assert.strictEqual((yield* commands(id)).length, 1)
    })
  )

  it.effect(
    "64 callers cost no more than one, and who waits asks when it is told",
    Effect.fnUntraced(function* () {
      const {
        caches: [a, b],
        commands,
        commandsAbout
      } = yield* open
      const id = crypto.randomUUID()
      let isOpen = false
      const loader = Effect.as(eventually(Effect.sync(() => isOpen)), "value")
      const callers = yield* Effect.forEach([a, b], (cache) =>
        Effect.forEach(Array.from({ length: 64 }), () => Effect.forkChild(cache.getOrLoad(id, loader)))
      )
      yield* eventually(Effect.sync(() => commandsAbout(id).length === 2))
      assert.deepStrictEqual(yield* commands(id), ["evalsha", "evalsha"])
      isOpen = true
      for (const caller of callers.flat()) assert.strictEqual(yield* Fiber.join(caller), "value")
      const after = yield* commands(id)
      // the one that stores and the one that asks again; a slow machine may have been in time for the look after a second
      assert.isAtLeast(after.length, 2)
      assert.isAtMost(after.length, 3)
    })
  )
})
