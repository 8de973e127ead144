/**
 * Starts the server: `HOST` and `PORT` say where; port 0 is any that is free. Ctrl-C and SIGTERM stop it.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Layer } from "effect"
import * as Broker from "./Broker.ts"
import * as Server from "./Server.ts"

const http = NodeHttpServer.layerConfig(createServer, {
  host: Config.withDefault(Config.String("HOST"), "127.0.0.1"),
  port: Config.withDefault(Config.Int("PORT"), 3000)
})

Server.layer.pipe(
  Layer.provide(Broker.layer({ latency: "200 millis" })),
  Layer.provide(http),
  Layer.launch,
  NodeRuntime.runMain
)
