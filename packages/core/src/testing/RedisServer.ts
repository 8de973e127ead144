/**
 * A Redis server of a test's own: started from the `redis-server` or `valkey-server` on PATH, gone with the scope.
 *
 * **Details**
 *
 * It listens on a free port of 127.0.0.1 and keeps nothing on disk. It can be killed, frozen and restarted, to see
 * what a client makes of that. It does not outlive the process that started it, however that ends.
 */
import { Context, Effect, Layer } from "effect"
import * as redisCommand from "../internal/redisCommand.ts"
import * as redisProcess from "../internal/redisProcess.ts"

export { RedisServerError } from "../internal/redisProcess.ts"

export interface Options {
  /** More arguments of the server: `["--requirepass", "secret"]`. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Makes it listen for TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined
  /** Makes it a node of a cluster, see `RedisCluster`, which it remains when it is restarted. */
  readonly cluster?: boolean | undefined
}

export class RedisServer extends Context.Service<
  RedisServer,
  {
    readonly port: number
    /** `redis://127.0.0.1:{port}`, without credentials; with TLS `rediss://localhost:{port}`. */
    readonly url: string
    /** Changes with a restart. */
    readonly pid: () => number
    /** False after `kill`. */
    readonly isRunning: () => boolean
    /** Sends one command over a connection of its own. Fails with what the server refuses, or if it is frozen. */
    readonly ask: (
      ...command: ReadonlyArray<string | number>
    ) => Effect.Effect<redisCommand.Reply, redisProcess.RedisServerError>
    /** SIGKILL; done when the process is gone. */
    readonly kill: Effect.Effect<void>
    /** SIGSTOP: connections stay, and nobody answers. */
    readonly pause: Effect.Effect<void>
    /** SIGCONT. */
    readonly resume: Effect.Effect<void>
    /** On the same port, empty; kills it first if it runs. */
    readonly restart: Effect.Effect<void, redisProcess.RedisServerError>
  }
>()("@tiercache/core/testing/RedisServer") {}

/** Starts a server; done when it accepts connections. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const server = yield* redisProcess.make({
    argsOf: (directory, port) => Promise.resolve(argsOf(directory, port, options)),
    ready: "Ready to accept connections",
    choosePort: options.cluster === true ? redisProcess.freeClusterPort : redisProcess.freePort
  })
  const { port } = server
  return RedisServer.of({
    ...server,
    url: options.tls === undefined ? `redis://127.0.0.1:${port}` : `rediss://localhost:${port}`,
    ask: (...command) => redisCommand.ask(port, ...command)
  })
})

/** One server for all tests that share the layer. */
export const layer = (options?: Options): Layer.Layer<RedisServer, redisProcess.RedisServerError> =>
  Layer.effect(RedisServer, make(options))

const argsOf = (directory: string, port: number, { args = [], cluster, tls }: Options): ReadonlyArray<string> => {
  const own = `--bind 127.0.0.1 --appendonly no ${tls === undefined ? `--port ${port}` : `--port 0 --tls-port ${port}`}`
  // what the server says when it is ready is read from its log, which works whatever it demands of clients
  const log = ["--logfile", "", "--loglevel", "notice"]
  return [
    ...own.split(" "),
    "--dir",
    directory,
    "--save",
    "",
    ...REPLICATION,
    ...log,
    ...(tls === undefined ? [] : tlsArgs(tls)),
    ...(cluster === true ? ["--cluster-enabled", "yes"] : []),
    ...args
  ]
}

/** A replica that is attached is there at once, and what it got from its primary is not on disk when it starts again. */
const REPLICATION = "--repl-diskless-sync yes --repl-diskless-sync-delay 0 --rdb-del-sync-files yes".split(" ")

const tlsArgs = ({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }) => {
  const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile]
  return [...files, "--tls-auth-clients", "no"]
}
