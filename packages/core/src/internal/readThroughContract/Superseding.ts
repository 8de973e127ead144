/**
 * Writes and deletes during a load: what it brings is never stored over them.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type * as CacheError from "../../CacheError.ts"
import * as Source from "./Source.ts"
import { hearing, isIdle, LONG, type Process, start, storeStale, type Subject, type Test, until } from "./Subject.ts"

/** What happens to the key, and what is there then: a value, or nothing. */
interface Write {
  readonly name: string
  readonly write: (process: Process, id: string) => Effect.Effect<unknown, CacheError.CacheError>
  readonly leaves: unknown
}

const WRITES: ReadonlyArray<Write> = [
  { name: "delete", write: ({ cache }, id) => cache.delete(id), leaves: undefined },
  { name: "deleteMany", write: ({ cache }, id) => cache.deleteMany(["other", id]), leaves: undefined },
  { name: "deletePattern", write: ({ cache }, id) => cache.deletePattern(`${id}*`), leaves: undefined },
  { name: "set", write: ({ cache }, id) => cache.set(id, "written", { ttl: LONG }), leaves: "written" },
  { name: "setMany", write: ({ cache }, id) => cache.setMany([[id, "written"]], { ttl: LONG }), leaves: "written" }
]

const INCREMENT: Write = {
  name: "increment",
  write: ({ cache }, id) => cache.increment(id, { ttl: LONG }),
  leaves: 1
}

/** How a load may come about, and what has to be there before. */
interface Mode {
  readonly name: string
  /** What is there when it begins. */
  readonly before: "nothing" | "a fresh value" | "a stale value"
  readonly begin: (process: Process, id: string, load: Source.Source<string>["load"]) => Effect.Effect<unknown, unknown>
}

const MODES: ReadonlyArray<Mode> = [
  { name: "a load", before: "nothing", begin: ({ cache }, id, load) => cache.getOrLoad(id, load) },
  {
    name: "a load of many",
    before: "nothing",
    begin: ({ cache }, id, load) =>
      cache.getManyOrLoad([id], () => Effect.map(load({ previous: undefined }), (value) => [[id, value] as const]))
  },
  {
    name: "a load over a stale value",
    before: "a stale value",
    begin: ({ cache }, id, load) => cache.getOrLoad(id, load, { grace: LONG })
  },
  { name: "a refresh", before: "a fresh value", begin: ({ cache }, id, load) => cache.refresh(id, load) },
  {
    name: "a refresh ahead",
    before: "a fresh value",
    begin: ({ cache }, id, load) => cache.getOrLoad(id, load, { refreshAhead: "2 hours" })
  },
  {
    name: "a load in the background of a stale value",
    before: "a stale value",
    begin: ({ cache }, id, load) => cache.getOrLoad(id, load, { grace: LONG, staleWhileRevalidate: true })
  },
  {
    name: "a load after the soft time-out",
    before: "a stale value",
    begin: ({ cache }, id, load) => cache.getOrLoad(id, load, { grace: LONG, softTimeout: "1 millis" })
  }
]

const prepare = (subject: Subject, before: Mode["before"], ids: ReadonlyArray<string>) => {
  const [{ cache }] = subject.processes
  if (before === "nothing") return Effect.void
  if (before === "a stale value") return storeStale(subject, ids, "previous")
  return cache.setMany(
    ids.map((id) => [id, "previous"] as const),
    { ttl: LONG }
  )
}

/** What every cache finds, in its own memory and in the store. */
const findings = ({ processes }: Subject, id: string) =>
  Effect.forEach(processes, ({ cache }) => Effect.all([cache.get(id), cache.get(id, { fresh: true })]))

export const register = (test: Test): void => {
  for (const { before, begin, name } of MODES) {
    test(
      `what ${name} brings is not stored over what happened meanwhile`,
      Effect.fnUntraced(function* (subject) {
        const [a, b] = subject.processes
        const canCount = before === "nothing" && !a.backend.unsupported.has("increment")
        const cases = [a, b].flatMap((writer, index) =>
          (canCount ? [...WRITES, INCREMENT] : WRITES).map((write) => ({
            ...write,
            writer,
            id: `${write.name}:${index}`
          }))
        )
        yield* prepare(
          subject,
          before,
          cases.map(({ id }) => id)
        )
        for (const { id, leaves, write, writer } of cases) {
          const source = Source.gated(Source.numbered("outdated"))
          const caller = yield* start(Effect.exit(begin(a, id, source.load)))
          yield* until(subject, () => source.running() === 1)
          yield* write(writer, id)
          yield* source.open
          yield* Fiber.join(caller)
          yield* until(subject, () => isIdle(subject))
          yield* subject.eventually(
            Effect.map(findings(subject, id), (found) => found.flat().every((value) => value === leaves))
          )
          assert.strictEqual(a.cache.metrics().supersededLoads, 1, id)
          a.cache.resetMetrics()
        }
      })
    )
  }

  test(
    "a caller whose load was superseded gets what it brought, and is told",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      for (const writer of [a, b]) {
        const source = Source.gated(Source.numbered("outdated"))
        const callers = [yield* start(a.cache.lookup("a", source.load)), yield* start(a.cache.lookup("a", source.load))]
        yield* until(subject, () => source.running() === 1)
        yield* writer.cache.delete("a")
        yield* source.open
        for (const caller of callers) {
          const { stale, superseded, tier, value } = yield* Fiber.join(caller)
          assert.deepStrictEqual([value, tier, superseded, stale], ["outdated 1", "loader", true, false])
        }
      }
      const { superseded } = yield* a.cache.lookup("a", Effect.succeed("next"))
      assert.isFalse(superseded)
    })
  )

  test(
    "who comes after a delete does not get what was being loaded before it",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      for (const { write } of WRITES.filter(({ leaves }) => leaves === undefined)) {
        for (const writer of [a, b]) {
          const old = Source.gated(Source.numbered("outdated"))
          const before = yield* start(a.cache.getOrLoad("a", old.load))
          yield* until(subject, () => old.running() === 1)
          yield* hearing(subject, a, write(writer, "a"))
          const source = Source.gated(Source.numbered("value"))
          const after = yield* start(a.cache.getOrLoad("a", source.load))
          const elsewhere = yield* start(b.cache.getOrLoad("a", source.load))
          yield* until(subject, () => source.running() === 1)
          yield* old.open
          yield* source.open
          assert.strictEqual(yield* Fiber.join(before), "outdated 1")
          assert.strictEqual(yield* Fiber.join(after), "value 1")
          assert.strictEqual(yield* Fiber.join(elsewhere), "value 1")
          assert.deepStrictEqual([old.calls(), source.calls()], [1, 1])
          assert.strictEqual(yield* b.cache.get("a"), "value 1")
          yield* a.cache.delete("a")
        }
      }
    })
  )

  test(
    "this process' writes are known to it, whatever becomes of the messages",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      yield* subject.lossy
      for (const { write } of [...WRITES, INCREMENT].filter(({ name }) => !name.startsWith("set"))) {
        const old = Source.gated(Source.numbered("outdated"))
        const before = yield* start(a.cache.getOrLoad("a", old.load))
        yield* until(subject, () => old.running() === 1)
        yield* write(a, "a")
        const found = yield* a.cache.getOrLoad("a", Effect.succeed("new"))
        assert.oneOf(found, ["new", 1])
        yield* old.open
        yield* Fiber.join(before)
        yield* a.cache.delete("a")
      }
    }),
    { needs: "testClock" }
  )

  test(
    "what others write unheard is found out by the renewal of the lease",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* subject.lossy
      const old = Source.gated(Source.numbered("outdated"))
      const before = yield* start(a.cache.getOrLoad("a", old.load, { hardTimeout: "1 minute" }))
      yield* until(subject, () => old.running() === 1)
      yield* b.cache.delete("a")
      yield* TestClock.adjust("20 seconds")
      const after = yield* a.cache.getOrLoad("a", Effect.succeed("new"))
      assert.strictEqual(after, "new")
      yield* old.open
      assert.strictEqual(yield* Fiber.join(before), "outdated 1")
      assert.strictEqual(yield* a.cache.get("a", { fresh: true }), "new")
    }),
    { needs: "testClock" }
  )
}
