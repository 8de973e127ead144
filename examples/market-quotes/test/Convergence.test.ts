import { assert, describe, it } from "vitest"
import * as Convergence from "../src/Convergence.ts"

const truth = async () => ({ AAPL: "2", IBM: "5", MSFT: null })
const always = (name: string, view: Readonly<Record<string, string | null>>) => ({ name, view: async () => view })

describe("Convergence.reach", () => {
  it("is there when all serve what the store holds", async () => {
    const { differences, processes, symbols } = await Convergence.reach(truth, [
      { name: "reader 1", view: truth },
      { name: "reader 2", view: truth }
    ])
    assert.deepStrictEqual({ differences, processes, symbols }, { differences: [], processes: 2, symbols: 3 })
  })

  it("waits for those who are late", async () => {
    let looks = 0
    const view = async () => (++looks < 3 ? { ...(await truth()), AAPL: "1" } : truth())
    const { differences } = await Convergence.reach(truth, [{ name: "reader 1", view }])
    assert.deepStrictEqual(differences, [])
    assert.strictEqual(looks, 3)
  })

  it("names the processes that stay behind, and the symbols", async () => {
    const { differences } = await Convergence.reach(
      truth,
      [
        { name: "feeder", view: truth },
        always("reader 1", { AAPL: "1", IBM: "5", MSFT: null }),
        always("reader 2", {})
      ],
      0
    )
    assert.deepStrictEqual(differences, [
      { process: "reader 1", symbols: ["AAPL"] },
      { process: "reader 2", symbols: ["AAPL", "IBM", "MSFT"] }
    ])
  })
})
