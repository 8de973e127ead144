/**
 * Errors as HTTP tells them: `application/problem+json`, RFC 9457.
 */
import { Effect, Schema } from "effect"
import { HttpRouter, HttpServerRespondable, HttpServerResponse, ProblemDetails } from "effect/http"
import { CacheError, type RateLimitHeaders } from "tiercache"

/** The response with a status, and a sentence for people. */
export const response = (status: number, title: string): HttpServerResponse.HttpServerResponse =>
  ProblemDetails.toResponse({ type: ProblemDetails.blankType, status, title })

/** The response to a request that a limit denies. */
export const denied = ({ body, headers, status }: RateLimitHeaders.Problem): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(body, { status, headers })

/** Whoever fails with it answers 404: the router asks an error for its response. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { what: Schema.String }) {
  override get message() {
    return `There is no such ${this.what}`
  }

  [HttpServerRespondable.symbol]() {
    return Effect.succeed(response(404, this.message))
  }
}

/**
 * Answers 400 to input that its schema refuses, and 503 where the cache has failed.
 *
 * **Details**
 *
 * While Redis is away, reads go to the broker instead. So 503 is for what cannot do without it, such as to clear a connection: the
 * client may try again.
 */
export const ofErrors = HttpRouter.middleware<{ handles: CacheError.CacheError | Schema.SchemaError }>()((handler) =>
  handler.pipe(
    Effect.catch((error) => {
      if (Schema.isSchemaError(error)) return Effect.succeed(response(400, error.message))
      if (!CacheError.isCacheError(error)) return Effect.fail(error)
      return Effect.as(Effect.logWarning(error), response(503, "The cache is not available"))
    })
  )
)
