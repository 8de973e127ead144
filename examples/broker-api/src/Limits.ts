/**
 * How much a user may ask for, counted in the store: in all processes together.
 */
import { Effect } from "effect"
import { HttpEffect, HttpRouter, HttpServerResponse } from "effect/http"
import { RateLimit, RateLimiter, RateLimitHeaders } from "tiercache"
import { CurrentUser } from "./CurrentUser.ts"
import * as Problems from "./Problems.ts"

/** Two a second, and twenty at once: what an open page asks for. */
export const reads = RateLimit.gcra("api_reads", { limit: 120, period: "1 minute", burst: 20 })

/** Ten a minute, and five at once. If the store cannot be asked, each process lets through as much. */
export const writes = RateLimit.gcra("api_writes", { limit: 10, period: "1 minute", burst: 5, onStoreFailure: "local" })

/** Answers 429 to who asks too often, and tells everybody in the header fields how much is left. */
export const perUser = (policy: RateLimit.Policy) =>
  HttpRouter.middleware(
    Effect.map(
      RateLimiter.RateLimiter,
      (limiter) => (handler) =>
        Effect.gen(function* () {
          const decision = yield* limiter.consume(policy, yield* CurrentUser)
          const problem = RateLimitHeaders.toProblem([decision])
          if (problem !== undefined) return Problems.denied(problem)
          // neither what is a user's nor what is left for now is for caches between here and the client
          const headers = { ...RateLimitHeaders.toHeaders([decision]), "cache-control": "private, no-store" }
          // with this all responses have them, those of errors too
          yield* HttpEffect.appendPreResponseHandler((_request, response) =>
            Effect.succeed(HttpServerResponse.setHeaders(response, headers))
          )
          return yield* handler
        })
    )
  )
