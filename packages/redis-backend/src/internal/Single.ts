/**
 * All commands go to one server: a server of its own, or the primary that sentinels name.
 */
import { Effect } from "effect"
import * as heartbeats from "./heartbeats.ts"
import type { SinglePlan } from "./plans.ts"
import type { Routing } from "./Routing.ts"
import * as Server from "./Server.ts"

/** Opens the connection, for as long as the scope is open. Does not wait for it. */
export const make = Effect.fnUntraced(function* (plan: SinglePlan, settings: Server.Options) {
  const server = yield* Server.make(plan, settings)
  const servers = [server]
  const routing: Routing = {
    status: server.status,
    problem: server.problem,
    breakerState: server.breakerState,
    attempted: server.attempted,
    command: (operation, _, send, how) => server.command(operation, send, how === "joined"),
    isCluster: false,
    partOf: () => 0,
    servers: () => servers,
    layout: () => Effect.succeed([{ server, owned: "", isMoving: false }]),
    onChange: () => {},
    losses: () => 0,
    beat: (server, channel, id) => heartbeats.send(server, heartbeats.plain, [channel], [channel, id]),
    // who writes on another server publishes there, and the heartbeat has come back from this one
    isWhole: () => true
  }
  return routing
})
