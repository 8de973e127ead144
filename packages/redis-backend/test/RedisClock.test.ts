import { assert, describe, it } from "@effect/vitest"
import { RedisClock } from "@tiercache/redis-backend"

/** A server whose clock is `offset` ahead of ours, at the given distance there and back. */
const makeServer = () => {
  const state = { now: 1000, offset: 5_000_000, there: 1, back: 1 }
  const time = async () => {
    state.now += state.there
    const micros = Math.round((state.now + state.offset) * 1000)
    state.now += state.back
    return [Math.floor(micros / 1_000_000), micros % 1_000_000]
  }
  return { state, client: { time }, clock: RedisClock.make(() => state.now) }
}

describe("RedisClock", () => {
  it("knows nothing before the first sample", () => {
    assert.strictEqual(makeServer().clock.errorMillis(), Infinity)
  })

  it("is exact where both ways take equally long", async () => {
    const { client, clock } = makeServer()
    await clock.sync(client)
    assert.strictEqual(clock.toRedis(2000), 5_002_000)
    assert.strictEqual(clock.toMonotonic(5_002_000), 2000)
    assert.strictEqual(clock.errorMillis(), 1)
  })

  it("is off by no more than it says, however unequal the ways are", async () => {
    const { client, clock, state } = makeServer()
    state.there = 80
    state.back = 0
    await clock.sync(client)
    assert.isAtMost(Math.abs(clock.toRedis(0) - state.offset), clock.errorMillis())
  })

  it("believes the shortest round trip", async () => {
    const { client, clock, state } = makeServer()
    await clock.sync(client)
    state.there = 50
    await clock.refresh(client)
    assert.strictEqual(clock.errorMillis(), 1)
    assert.strictEqual(clock.toRedis(0), 5_000_000)
    state.there = 0.5
    state.back = 0.5
    await clock.refresh(client)
    assert.strictEqual(clock.errorMillis(), 0.5)
  })

  it("forgets a good sample after some time, since clocks drift", async () => {
    const { client, clock, state } = makeServer()
    await clock.sync(client)
    state.there = state.back = 20
    for (let taken = 0; taken < 8; taken++) await clock.refresh(client)
    assert.strictEqual(clock.errorMillis(), 20)
  })

  it("follows a server whose clock is set, at the next sample", async () => {
    const { client, clock, state } = makeServer()
    await clock.sync(client)
    state.offset -= 3_600_000
    state.there = 30
    await clock.refresh(client)
    assert.isAtMost(Math.abs(clock.toRedis(0) - state.offset), clock.errorMillis())
  })

  it("starts anew with a new connection, even a slower one", async () => {
    const { client, clock, state } = makeServer()
    await clock.sync(client)
    state.there = state.back = 10
    state.offset += 5
    await clock.sync(client)
    assert.strictEqual(clock.toRedis(0), state.offset)
  })

  it("keeps what it knows until there is something better", async () => {
    const { client, clock } = makeServer()
    await clock.sync(client)
    const failing = { time: () => Promise.reject(new Error("Command timed out")) }
    await clock.sync(failing).catch(() => {})
    assert.strictEqual(clock.toRedis(0), 5_000_000)
  })
})
