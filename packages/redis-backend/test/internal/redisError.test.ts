import { assert, describe, it } from "@effect/vitest"
import * as redisError from "../../src/internal/redisError.ts"

const reply = (message: string) => Object.assign(new Error(message), { name: "ReplyError" })
const system = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.1:6379`), { code })

const mapped = (error: unknown) => redisError.toCacheError("get", "redis.internal:6379", error, undefined)

describe("errors of ioredis", () => {
  it.each([
    [new Error("Command timed out"), "Timeout"],
    [new Error("Connection is closed."), "Unavailable"],
    [new Error("Stream isn't writeable and enableOfflineQueue options is false"), "Unavailable"],
    [new Error("Reached the max retries per request limit (which is 0)."), "Unavailable"],
    [system("ECONNREFUSED"), "Unavailable"],
    [reply("WRONGTYPE Operation against a key holding the wrong kind of value"), "WrongType"],
    [reply("ERR Error running script (call to f_2b): @user_script:2: WRONGTYPE Operation against a key"), "WrongType"],
    [reply("NOAUTH Authentication required."), "Unavailable"],
    [reply("WRONGPASS invalid username-password pair or user is disabled."), "Unavailable"],
    [reply("LOADING Redis is loading the dataset in memory"), "Unavailable"],
    [reply("READONLY You can't write against a read only replica."), "Unavailable"],
    [reply("NOREPLICAS Not enough good replicas to write."), "Unavailable"],
    [reply("MASTERDOWN Link with MASTER is down"), "Unavailable"],
    [reply("CLUSTERDOWN The cluster is down"), "Unavailable"],
    [reply("TRYAGAIN Multiple keys request during rehashing of slot"), "Unavailable"],
    [reply("BUSY Redis is busy running a script."), "Unavailable"],
    [reply("OOM command not allowed when used memory > 'maxmemory'."), "Refused"],
    [reply("NOPERM this user has no permissions to run the 'get' command"), "Refused"],
    [reply("MISCONF Redis is configured to save RDB snapshots"), "Refused"],
    [reply("NOSCRIPT No matching script. Please use EVAL."), "Refused"],
    [reply("ERR unknown command 'FOO'"), "Refused"],
    [reply("ERR no idea"), "Refused"],
    ["not even an error", "Unavailable"]
  ])("%s is %s", (error, reason) => {
    const { message, operation, reason: actual } = mapped(error)
    assert.strictEqual(actual, reason)
    assert.strictEqual(operation, "get")
    assert.isNotEmpty(message)
  })

  it("are told in words", () => {
    const textOf = (message: string) => mapped(reply(message)).message
    assert.strictEqual(
      textOf("WRONGPASS invalid username-password pair or user is disabled."),
      "Redis at redis.internal:6379: wrong user name or password (WRONGPASS)"
    )
    assert.include(
      textOf("ERR Error running script (call to f_2b): @user_script: 3: -OOM command not allowed"),
      "(OOM)"
    )
    assert.include(mapped(system("ECONNREFUSED")).message, "ECONNREFUSED")
    assert.include(
      redisError.toCacheError("get", "h:1", new Error("Connection is closed."), "ECONNREFUSED").message,
      "ECONNREFUSED"
    )
  })

  it("never repeat arguments", () => {
    const secret = "hunter2"
    const errors = [
      Object.assign(reply(`ERR unknown command 'FOO', with args beginning with: '${secret}'`), {
        command: { name: "foo", args: [secret] }
      }),
      reply(`ERR unknown command \`FOO\`, with args beginning with: \`${secret}\`, `),
      reply(`ERR value is not an integer: "${secret}"`),
      reply(`NOPERM User ${secret} has no permissions to access the '${secret}' key`),
      Object.assign(new Error(`something about ${secret}`), { cause: secret })
    ]
    for (const error of errors) assert.notInclude(JSON.stringify(mapped(error)) + mapped(error).stack, secret)
  })
})
