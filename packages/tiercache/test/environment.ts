/**
 * A program over the cache that an environment asks for.
 */
import { ConfigProvider, Effect, Layer, Logger, References } from "effect"
import { TierCache } from "tiercache"

/** With what is logged meanwhile, at all levels: messages, and the operations that they are about. */
export const withEnvironment = <A, E>(
  env: Readonly<Record<string, string>>,
  program: Effect.Effect<A, E, Layer.Success<typeof TierCache.layerConfig>>
) => {
  const messages: Array<string> = []
  const logger = Logger.make<unknown, void>(({ fiber, message }) => {
    const operation = fiber.getRef(References.CurrentLogAnnotations)["cache.operation"]
    messages.push([Array.isArray(message) ? message[0] : message, operation].filter(Boolean).join(": "))
  })
  const environment = Layer.mergeAll(
    ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
    Logger.layer([logger]),
    Layer.succeed(References.MinimumLogLevel, "All")
  )
  return Effect.map(Effect.provide(program, TierCache.layerConfig.pipe(Layer.provideMerge(environment))), (result) => ({
    result,
    messages
  }))
}
