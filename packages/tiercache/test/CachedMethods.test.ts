import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cachedMethod, CacheError, createCache, Entity, invalidatesMethod, Schema } from "tiercache"
import type * as Users from "./methods/Users.ts"

const Names = Entity.make("user", "name", { key: { user: Schema.NonEmptyString }, value: Schema.String })

const root = fileURLToPath(new URL("../../../", import.meta.url))
const source = fileURLToPath(new URL("./methods/Users.ts", import.meta.url))
let directory = ""
let makeUsers: typeof Users.makeUsers

const isUsers = (module: unknown): module is typeof Users =>
  typeof module === "object" && module !== null && "makeUsers" in module

// neither Node nor the test runner knows decorators
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "tiercache-methods-"))
  const options = "--ignoreConfig --noCheck --noResolve --target ES2024 --module ESNext".split(" ")
  const paths = ["--rootDir", dirname(source), "--outDir", directory, source]
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, ...paths])
  const module: unknown = await import(/* @vite-ignore */ pathToFileURL(join(directory, "Users.js")).href)
  assert(isUsers(module))
  makeUsers = module.makeUsers
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe("decorated methods", () => {
  it("answer from the cache until something has changed, and keep this and arguments", async () => {
    await using cache = await createCache()
    const Users = makeUsers({ cache, cachedMethod, invalidatesMethod, Names })
    const users = new Users()
    assert.deepStrictEqual(await Promise.all([users.name("ada"), users.name("ada")]), ["Ada", "Ada"])
    assert.strictEqual(users.reads, 1)
    assert.strictEqual(await users.fullName("ada", "Lovelace"), "Ada Lovelace")
    assert.strictEqual(await users.rename("ada", "Countess"), 1)
    assert.strictEqual(await users.name("ada"), "Countess")
    assert.strictEqual(await users.fullName("ada", "Lovelace"), "Ada Lovelace")
    assert.strictEqual(users.reads, 3)
    // what is cached belongs to the id, not to the instance
    const others = new Users()
    assert.strictEqual(await others.name("ada"), "Countess")
    assert.isUndefined(await others.name("bob"))
    assert.strictEqual(others.reads, 1)
  })

  it("reject for an id that cannot be, and then do nothing", async () => {
    await using cache = await createCache()
    const users = new (makeUsers({ cache, cachedMethod, invalidatesMethod, Names }))()
    for (const call of [users.name(""), users.rename("", "nobody")]) {
      const error: unknown = await call.catch((error: unknown) => error)
      assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidKey")
    }
    assert.strictEqual(users.reads, 0)
    assert.strictEqual(await users.rename("ada", "Ada"), 1)
  })
})
