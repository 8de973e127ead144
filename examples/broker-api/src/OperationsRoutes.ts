/**
 * For those who run the server: metrics and health. No user is asked for; keep them from the public in front of the server.
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { CacheManager } from "tiercache"

const health = HttpRouter.addAll(
  Effect.gen(function* () {
    const tradecore = yield* CacheManager.CacheManager
    return [
      HttpRouter.route(
        "GET",
        "/health",
        Effect.map(tradecore.health, (health) =>
          HttpServerResponse.jsonUnsafe(health, { status: health.healthy ? 200 : 503 })
        )
      )
    ]
  })
)

export const layer = Layer.merge(PrometheusMetrics.layerHttp(), health)
