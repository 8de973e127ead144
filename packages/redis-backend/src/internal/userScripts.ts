/**
 * The scripts of others: locks, limits, and what users write.
 */
import { type CacheBackend, CacheError, type Script } from "@tiercache/core"
import { Effect } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import * as scripts from "./scripts.ts"

type Run = CacheBackend.CacheBackend["Service"]["run"]

/** `time` replaces the server's clock, in microseconds. */
export const make = (connection: RedisConnection.RedisConnection, time: (() => number) | undefined): Run => {
  const texts = new WeakMap<object, scripts.Lua>()
  const luaOf = (script: { readonly lua: string }): scripts.Lua => {
    const known = texts.get(script)
    if (known !== undefined) return known
    const made = scripts.lua(script.lua)
    texts.set(script, made)
    return made
  }
  return <State, Args, Reply>(script: Script.Script<State, Args, Reply>, keys: ReadonlyArray<string>, args: Args) =>
    Effect.flatMap(
      CacheError.attempt(() => [...script.args(args), time === undefined ? "" : Math.round(time())]),
      (values) =>
        Effect.flatMap(scripts.run(connection, connection.deadline(), "run", luaOf(script), keys, values), (raw) =>
          CacheError.attempt(() => script.reply(raw))
        )
    )
}
