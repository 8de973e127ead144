import { assert, describe, it } from "@effect/vitest"
import { Redis } from "ioredis"
import { APART, Joint, type Kind, type Part, Turn } from "../../src/internal/Joint.ts"

interface Item extends Part {
  readonly value: string
}

const item = (key: string, value = key, bytes = 0): Item => ({ key, value, bytes, part: 0 })

/** What is sent, a line for each command. */
const setup = () => {
  const client = new Redis({ lazyConnect: true })
  const sent: Array<string> = []
  const turn = new Turn(client)
  let failure: unknown
  const kindOf = (name: string, options: Partial<Kind<Item, string>> = {}) =>
    new Joint<Item, string>(client, turn, {
      size: () => 3,
      isRepeatable: false,
      alone: (_, { value }) => {
        sent.push(`${name} ${value}`)
        return Promise.resolve(value)
      },
      together: (_, items) => {
        sent.push(`${name}s ${items.map(({ value }) => value).join(" ")}`)
        return failure === undefined ? Promise.resolve(items.map(({ value }) => value)) : Promise.reject(failure)
      },
      ...options
    })
  return { sent, turn, kindOf, fail: (error: unknown) => (failure = error) }
}

const reply = (message: string) => Object.assign(new Error(message), { name: "ReplyError" })

const itself = (value: string) => value

const endOfTurn = () => new Promise((resolve) => setImmediate(resolve))

describe("Joint", () => {
  it("sends one alone as it is, and several of a turn together", async () => {
    const { kindOf, sent } = setup()
    const gets = kindOf("get")
    assert.strictEqual(await gets.add(item("a"), itself), "a")
    assert.deepStrictEqual(await Promise.all([gets.add(item("b"), itself), gets.add(item("c"), itself)]), ["b", "c"])
    assert.deepStrictEqual(sent, ["get a", "gets b c"])
  })

  it("joins those who are resumed one after the other by what came before", async () => {
    const { kindOf, sent } = setup()
    const gets = kindOf("get")
    const twice = async (name: string, hops: number) => {
      await gets.add(item(name), itself)
      for (let hop = 0; hop < hops; hop++) await Promise.resolve()
      await gets.add(item(`${name}2`), itself)
    }
    await Promise.all([twice("a", 0), twice("b", 1), twice("c", 10)])
    assert.deepStrictEqual(sent, ["gets a b c", "gets a2 b2 c2"])
  })

  it("keeps the order of kinds, and of all else that is sent", async () => {
    const { kindOf, sent, turn } = setup()
    const [gets, sets] = [kindOf("get"), kindOf("set")]
    const all = [
      gets.add(item("a"), itself),
      gets.add(item("b"), itself),
      sets.add(item("a"), itself),
      gets.add(item("a"), itself)
    ]
    turn.flush()
    sent.push("other")
    all.push(sets.add(item("a", "a1"), itself))
    assert.deepStrictEqual(await Promise.all(all), ["a", "b", "a", "a", "a1"])
    assert.deepStrictEqual(sent, ["gets a b", "set a", "get a", "other", "set a1"])
  })

  it("writes a key that is written twice by two commands, one after the other", async () => {
    const { kindOf, sent } = setup()
    const sets = kindOf("set")
    await Promise.all(
      [item("a", "1"), item("b", "1"), item("a", "2"), item("b", "2")].map((one) => sets.add(one, itself))
    )
    assert.deepStrictEqual(sent, ["sets 1 1", "sets 2 2"])
  })

  it("bounds the keys and the bytes of a command, keeps what is large apart, and other parts", async () => {
    const { kindOf, sent } = setup()
    const sets = kindOf("set", { size: () => 20 })
    const small = Array.from({ length: 9 }, (_, index) => item(`k${index}`, `k${index}`, 30 * 1024))
    await Promise.all([...small, item("large", "large", 100_000), item("last")].map((one) => sets.add(one, itself)))
    assert.deepStrictEqual(sent, ["sets k0 k1 k2 k3 k4 k5 k6 k7", "set k8", "set large", "set last"])
    sent.length = 0
    await Promise.all(["a", "b", "c", "d"].map((key, index) => sets.add({ ...item(key), part: index % 2 }, itself)))
    assert.deepStrictEqual(sent, ["sets a c", "sets b d"])
  })

  it("gives all of them an error of the server, or of the connection", async () => {
    const messages = [
      "READONLY You can't write against a read only replica.",
      "MOVED 1 127.0.0.1:1",
      "ASK 1 127.0.0.1:1",
      "LOADING Redis is loading the dataset in memory",
      "NOAUTH Authentication required.",
      "MASTERDOWN Link with MASTER is down",
      "CLUSTERDOWN The cluster is down",
      "BUSY Redis is busy running a script."
    ]
    for (const error of [...messages.map(reply), new Error("Command timed out"), new Error("Connection is closed.")]) {
      const { fail, kindOf } = setup()
      const sets = kindOf("set")
      fail(error)
      const outcomes = await Promise.allSettled([sets.add(item("a"), itself), sets.add(item("b"), itself)])
      for (const outcome of outcomes) assert.deepStrictEqual(outcome, { status: "rejected", reason: error })
    }
  })

  it("has each sent again by itself if the error may concern some of them", async () => {
    for (const message of ["TRYAGAIN Multiple keys request during rehashing of slot", "NOPERM No permissions", "OOM"]) {
      const { fail, kindOf, sent } = setup()
      const sets = kindOf("set")
      fail(reply(message))
      assert.deepStrictEqual(await Promise.all([sets.add(item("a"), itself), sets.add(item("b"), itself)]), ["a", "b"])
      assert.deepStrictEqual(sent, ["sets a b", "set a", "set b"])
    }
  })

  it("takes an answer that is an error for the refusal of one", async () => {
    const { kindOf, sent } = setup()
    const refused = reply("OOM command not allowed when used memory > 'maxmemory'.")
    const sets = kindOf("set", { together: () => Promise.resolve(["a", refused, APART]) })
    const outcomes = await Promise.allSettled(["a", "b", "c"].map((key) => sets.add(item(key), itself)))
    assert.deepStrictEqual(outcomes, [
      { status: "fulfilled", value: "a" },
      { status: "rejected", reason: refused },
      { status: "fulfilled", value: "c" }
    ])
    assert.deepStrictEqual(sent, ["set c"])
  })

  it("answers all, though one cannot read its answer", async () => {
    const { kindOf } = setup()
    const gets = kindOf("get")
    const error = new Error("not to be read")
    const outcomes = await Promise.allSettled([
      gets.add(item("a"), () => {
        throw error
      }),
      gets.add(item("b"), itself)
    ])
    assert.deepStrictEqual(outcomes, [
      { status: "rejected", reason: error },
      { status: "fulfilled", value: "b" }
    ])
  })

  it("rejects what cannot be sent", async () => {
    const { kindOf } = setup()
    const error = new Error("no argument")
    const sets = kindOf("set", {
      alone: () => {
        throw error
      }
    })
    const outcome = await Promise.allSettled([sets.add(item("a"), itself)])
    assert.deepStrictEqual(outcome, [{ status: "rejected", reason: error }])
    await endOfTurn()
  })
})
