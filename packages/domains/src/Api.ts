/**
 * Responses of APIs.
 *
 * **Details**
 *
 * A response is found by its operation, which is method and path, and by a hash of the parameters. GET `/api/orders` is `get_orders`:
 * a leading `api` and the slashes are left out. What stands in the path is part of the operation, so `/api/orders/123` is `get_orders_123`;
 * to delete by operation, give ids as parameters.
 *
 * Requests that would be alike but are not, `/orders` and `/api/orders`, `/order_items` and `/order/items`, have different hashes,
 * and so have the requests of different users.
 */
import { createHash } from "node:crypto"
import { CacheError, Entity, Tag } from "@tiercache/core"
import { DateTime, Effect, Schema } from "effect"
import * as CanonicalParams from "./CanonicalParams.ts"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"

export interface Request {
  /** `GET` or `get`. */
  readonly method: string
  /** A path, with or without a query string: that is taken for more parameters. */
  readonly endpoint: string
  readonly params?: CanonicalParams.Params | undefined
  /** Whose request it is: others do not get its response, and it is deleted with all else that the user has. */
  readonly user?: Ids.UserId | undefined
}

/**
 * What an API has answered.
 *
 * **Gotchas**
 *
 * Parameters are stored as they are: credentials belong into headers.
 */
export const Response = Schema.Struct({
  endpoint: Schema.String,
  /** As `CanonicalParams.text` writes them, those of the query string included. */
  params: Schema.String,
  cachedAt: Schema.DateTimeUtc,
  status: Schema.optionalKey(Schema.Int),
  /** What `Codec.msgpack` stores. */
  body: Schema.Unknown
})

export type Response = typeof Response.Type

/** `api:response:{operation}:hash-{md5 of the parameters}`; ids are made by {@link id}. */
export const Responses = Entity.make("api", "response", {
  key: { operation: Schema.NonEmptyString, hash: Schema.TemplateLiteral(["hash-", Schema.String]) },
  value: Response,
  ttl: "300 seconds"
})

export type ResponseId = Parameters<typeof Responses.key>[0]

/** Safe methods whose responses may be kept (RFC 9110, sections 9.2.1 and 9.3: those to OPTIONS may not). */
const CACHED_METHODS: ReadonlyArray<string> = ["get", "head"]

/** Whether the responses to a request may be kept. What changes something, such as POST, is never answered from a cache. */
export const isCacheable = ({ method }: Request): boolean => CACHED_METHODS.includes(method.toLowerCase())

/**
 * Method and path as one word.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Api } from "@tiercache/domains"
 *
 * Api.operation({ method: "GET", endpoint: "/api/orders?page=1" }) // => "get_orders"
 * Api.operation({ method: "GET", endpoint: "/api/v1/orders/123" }) // => "get_v1_orders_123"
 * ```
 */
export const operation = ({ endpoint, method }: Request): string =>
  [method.toLowerCase(), ...withoutApi(parse(endpoint).segments)].join("_")

/** All parameters, those of the query string included. Throws as `CanonicalParams.text` does. */
export const params = (request: Request): string => {
  const own = CanonicalParams.text(request.params ?? {})
  // callers without types may give an array, or a date
  if (!own.startsWith("{")) throw CacheError.make("key", "InvalidKey", "the parameters of a request are an object")
  const { query } = parse(request.endpoint)
  return query.size === 0 ? own : CanonicalParams.text(withQuery(request.params ?? {}, query))
}

/**
 * Names the response to a request. Throws a `CacheError` with reason `InvalidKey` for parameters that are none, and with
 * `InvalidOption` if the response may not be kept.
 */
export const id = (request: Request): ResponseId => {
  if (!isCacheable(request)) {
    throw CacheError.make("key", "InvalidOption", "only responses to GET and HEAD are cached")
  }
  const all = params(request)
  const besides = besidesParams(request)
  // the text of parameters begins with a brace, so no other parameters look like these
  const hashed = besides === "{}" ? all : `[${all},${besides}]`
  return { operation: operation(request), hash: `hash-${createHash("md5").update(hashed).digest("hex")}` }
}

/** Lets all responses to requests of a user be deleted, without what else the user has. Throws as `Tag.user` does. */
export const tagOf = (user: Ids.UserId): Tag.Tag => Tag.of("api-user", user)

/** By whom a response can be deleted; for the option `tags`. */
export const tags = ({ user }: Request): ReadonlyArray<Tag.Tag> =>
  user === undefined ? [] : [...Owner.tags({ user }), tagOf(user)]

/** What is stored of an answer that came now. Throws as {@link params} does. */
export const response = (
  request: Request,
  answer: { readonly body: unknown; readonly status?: number }
): Effect.Effect<Response, CacheError.CacheError> =>
  Effect.flatMap(DateTime.now, (cachedAt) =>
    CacheError.attempt(() => ({ endpoint: request.endpoint, params: params(request), cachedAt, ...answer }))
  )

/** What tells apart requests with the same operation and the same parameters. */
const besidesParams = ({ endpoint, user }: Request): string => {
  const { segments } = parse(endpoint)
  const isToldByOperation = segments[0] === "api" && segments.every((segment) => !segment.includes("_"))
  return CanonicalParams.text({ path: isToldByOperation ? undefined : segments, user })
}

const withoutApi = (segments: ReadonlyArray<string>): ReadonlyArray<string> =>
  segments[0] === "api" ? segments.slice(1) : segments

/** What is between the slashes of the path, and the query string. */
const parse = (endpoint: string) => {
  const [resource = ""] = endpoint.split("#", 1)
  const [path = ""] = resource.split("?", 1)
  const segments = path.split("/").filter((segment) => segment !== "")
  return { segments, query: new URLSearchParams(resource.slice(path.length)) }
}

/** A name that occurs more than once has all its values, as in a query string: those in the endpoint come first. */
const withQuery = (own: CanonicalParams.Params, query: URLSearchParams): CanonicalParams.Params => {
  const merged = new Map(Object.entries(own))
  for (const name of new Set(query.keys())) {
    const given = merged.get(name)
    const others = given === undefined ? [] : [given].flat()
    const values = [...query.getAll(name), ...others]
    const [first] = values
    merged.set(name, values.length === 1 ? first : values)
  }
  // unlike an assignment, it takes `__proto__` for a name
  return Object.fromEntries(merged)
}
