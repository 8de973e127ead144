/**
 * A throwaway certificate for `localhost`, made by openssl.
 */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"

const run = promisify(execFile)

export const make = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "tiercache-tls-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")]
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile]
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
  yield* Effect.promise(() => run("openssl", ["req", "-x509", "-days", "1", ...key, "-out", certFile, ...subject]))
  const certificate = yield* Effect.promise(() => readFile(certFile))
  return { certFile, keyFile, certificate }
})
