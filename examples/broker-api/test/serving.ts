/**
 * Servers on free ports, and requests to them.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ConfigProvider, Context, Effect, Layer, Logger } from "effect"
import { HttpServer } from "effect/http"
import * as Broker from "../src/Broker.ts"
import * as Server from "../src/Server.ts"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of `text`, if it is JSON. */
  readonly body: unknown
}

/** A server until the scope closes, with these variables of the environment. */
export const serve = Effect.fnUntraced(function* (env: Record<string, string>, broker: Broker.Broker["Service"]) {
  const http = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
  const server = Server.layer.pipe(
    Layer.provide(Layer.succeed(Broker.Broker, broker)),
    Layer.provide(Logger.layer([])),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Layer.provideMerge(http)
  )
  const url = HttpServer.formatAddress(Context.get(yield* Layer.build(server), HttpServer.HttpServer).address)
  return { as: (user: string) => clientOf(url, { "x-user": user }), anonymous: clientOf(url, {}) }
})

export const clientOf = (url: string, own: Record<string, string>) => {
  // a connection that is kept for the next request is one that a server that stops waits for
  const headers = { ...own, "content-type": "application/json", connection: "close" }
  const ask = (path: string, init: RequestInit) =>
    Effect.promise(async (signal): Promise<Answer> => {
      const response = await fetch(url + path, { ...init, headers, signal })
      const text = await response.text()
      const isJson = response.headers.get("content-type")?.includes("json") === true
      return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined }
    })
  return {
    get: (path: string) => ask(path, {}),
    post: (path: string, body: unknown = {}) => ask(path, { method: "POST", body: JSON.stringify(body) })
  }
}
