/**
 * The README's `curl` lines, asked of a server, and the answers that it shows.
 */
import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Broker from "../src/Broker.ts"
import { serve } from "./serving.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

interface Example {
  readonly command: string
  readonly user: string
  readonly path: string
  readonly isPost: boolean
  readonly body: unknown
  readonly showsLimits: boolean
  readonly answer: string
}

const exampleOf = (text: string): Example => {
  const [command = "", ...answer] = text.trimEnd().split("\n")
  const find = (pattern: RegExp) => pattern.exec(command)?.[1]
  const json = find(/ --json '([^']*)'/)
  return {
    command,
    user: find(/ -H 'x-user: (\w+)'/) ?? "",
    path: find(/http:\/\/127\.0\.0\.1:3000([^\s']*)/) ?? "",
    isPost: json !== undefined || command.includes(" -X POST"),
    body: json === undefined ? undefined : JSON.parse(json),
    showsLimits: command.endsWith(" | grep ratelimit"),
    answer: answer.join("\n")
  }
}

const examples = [...readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, console = ""]) =>
  console.split(/^\$ /m).slice(1).map(exampleOf)
)

/** Without times, which are never the same. */
const timeless = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "…")

it.effect("README.md shows what the server answers", () =>
  Effect.gen(function* () {
    assert.lengthOf(examples, 8)
    const server = yield* serve({ CACHE_BACKEND: "memory" }, Broker.make({ latency: 0 }))
    for (const { answer, body, command, isPost, path, showsLimits, user } of examples) {
      const client = server.as(user)
      const { headers, text } = yield* isPost ? client.post(path, body) : client.get(path)
      const limits = ["ratelimit-policy", "ratelimit"].map((name) => `${name}: ${headers.get(name)}`)
      assert.strictEqual(timeless(showsLimits ? limits.join("\n") : text), timeless(answer), command)
    }
  })
)
