/**
 * Whose request it is.
 */
import { Context, Effect } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import type { Ids } from "tiercache"
import * as Problems from "./Problems.ts"

export class CurrentUser extends Context.Service<CurrentUser, Ids.UserId>()("broker-api/CurrentUser") {}

/**
 * Takes the user from the header `x-user`.
 *
 * **Gotchas**
 *
 * An example: anybody can send any header. Take the user from a session or a token that you have verified.
 */
export const fromHeader = HttpRouter.middleware<{ provides: CurrentUser }>()((handler) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const user = headers["x-user"]?.trim()
    if (!user) return Problems.response(401, "The header x-user says whose request it is")
    return yield* Effect.provideService(handler, CurrentUser, user)
  })
)
