import { assert, describe, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { Api } from "@tiercache/domains"
import { DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const runs = { numRuns: process.env.TIERCACHE_TEST_FULL === "1" ? 20_000 : 200 }

const get = (endpoint: string, params?: Api.Request["params"]): Api.Request => ({ method: "GET", endpoint, params })

const keyOf = (request: Api.Request) => String(Api.Responses.key(Api.id(request)))

const reasonOf = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    if (CacheError.isCacheError(error)) return error.reason
    throw error
  }
  return assert.fail("nothing was thrown")
}

describe("the key of a response", () => {
  it("is the operation and the MD5 of the parameters", () => {
    // md5 of {"page":1} and of {}
    assert.strictEqual(
      keyOf(get("/api/orders", { page: 1 })),
      "api:response:get_orders:hash-ddab7a0c277684d4a7458e50a3026f85"
    )
    assert.strictEqual(keyOf(get("/api/orders")), "api:response:get_orders:hash-99914b932bd37a50b983c5e7c90ae93b")
  })

  it.each([
    ["GET", "/api/orders", "get_orders"],
    ["get", "api/orders/", "get_orders"],
    ["GET", "//api//orders?page=1#top", "get_orders"],
    ["GET", "/orders", "get_orders"],
    ["HEAD", "/api/v1/orders/123", "head_v1_orders_123"],
    ["GET", "/api/api/orders", "get_api_orders"],
    ["GET", "/apis/orders", "get_apis_orders"],
    ["GET", "/api", "get"],
    ["GET", "", "get"],
    ["GET", "?page=1", "get"]
  ])("has %s %s as %s", (method, endpoint, operation) => {
    assert.strictEqual(Api.operation({ method, endpoint }), operation)
  })

  it("is one for the same request in other words", () => {
    const key = keyOf(get("/api/orders", { status: "open", tags: ["a", "b"], page: "1" }))
    const others = [
      get("/api/orders?status=open&tags=a&tags=b&page=1"),
      get("/api/orders/?page=1&tags=a&status=open", { tags: "b" }),
      get("/api/orders?tags=a#fragment?page=2", { page: "1", tags: ["b"], status: "open", limit: undefined }),
      { ...get("api/orders", { page: "1", tags: ["a", "b"], status: "open" }), method: "get", user: undefined }
    ]
    for (const other of others) assert.strictEqual(keyOf(other), key)
    const hostile = get("/api/orders", Object.fromEntries([["__proto__", "1"]]))
    assert.strictEqual(keyOf(get("/api/orders?__proto__=1")), keyOf(hostile))
  })

  it("is another for every other request", () => {
    const requests: ReadonlyArray<Api.Request> = [
      get("/api/orders"),
      get("/orders"),
      get("/api/Orders"),
      get("/api/orders/1"),
      get("/api/order_items"),
      get("/api/order/items"),
      get("/order/items"),
      get("/order_items"),
      get("/api/api/orders"),
      get(""),
      get("/api"),
      get("/_"),
      get("/api/orders", { page: 1 }),
      get("/api/orders", { page: "1" }),
      get("/api/orders", { page: ["1"] }),
      get("/api/orders", { path: ["orders"] }),
      get("/api/orders", { user: "ada" }),
      get("/api/orders", Object.fromEntries([["__proto__", "1"]])),
      get("/api/orders?constructor=1"),
      get("/api/orders?open=1"),
      get("/api/orders?open=1", { open: null }),
      { ...get("/api/orders"), method: "HEAD" },
      { ...get("/api/orders"), user: "ada" },
      { ...get("/api/orders"), user: "bob" },
      { ...get("/api/orders", { user: "ada" }), user: "ada" },
      { ...get("/orders"), user: "ada" },
      { ...get("/api/orders", { page: 1 }), user: "ada" }
    ]
    assert.strictEqual(new Set(requests.map(keyOf)).size, requests.length)
  })

  it("belongs to one path, one user and one set of parameters, whatever they look like", () => {
    const segment = fc
      .array(fc.constantFrom("api", "a", "b", "_", "*", ":", "{x}", "..", "%2F", "é", "😀", "\0", "\n", "hash-"), {
        minLength: 1,
        maxLength: 2
      })
      .map((pieces) => pieces.join(""))
    interface Drawn {
      readonly path: ReadonlyArray<string>
      readonly user: string | undefined
      readonly params: { readonly path?: string | number; readonly user?: string; readonly page?: string | number }
    }
    const request: fc.Arbitrary<Drawn> = fc.record({
      path: fc.array(segment, { maxLength: 3 }),
      user: fc.option(fc.constantFrom("ada", "{}", "a*", '","user":"ada'), { nil: undefined }),
      params: fc.record(
        { path: fc.constantFrom("a", 1, "1"), user: fc.constantFrom("ada", "{}"), page: fc.constantFrom(1, "1") },
        { requiredKeys: [] }
      )
    })
    const idOf = ({ params, path, user }: Drawn) => keyOf({ ...get(path.join("/"), params), user })
    const textOf = ({ params, path, user }: Drawn) =>
      JSON.stringify([path, user ?? null, params.page ?? null, params.path ?? null, params.user ?? null])
    fc.assert(
      fc.property(request, request, (self, that) => {
        assert.strictEqual(idOf(self) === idOf(that), textOf(self) === textOf(that))
        // two parts after the domain and the type, however hostile
        assert.match(idOf(self), /^api:response:[^:*?[\]{}\\\s\0]+:hash-[0-9a-f]{32}$/)
      }),
      runs
    )
  })

  it("is refused where nothing may be kept", () => {
    for (const method of [
      "POST",
      "PUT",
      "PATCH",
      "DELETE",
      "OPTIONS",
      "TRACE",
      "CONNECT",
      "QUERY",
      "",
      "GET ",
      "__proto__"
    ]) {
      const request = { ...get("/api/orders"), method }
      assert.isFalse(Api.isCacheable(request))
      assert.strictEqual(
        reasonOf(() => Api.id(request)),
        "InvalidOption"
      )
    }
    for (const method of ["GET", "get", "HEAD"]) assert.isTrue(Api.isCacheable({ ...get("/api/orders"), method }))
  })

  it("is refused for parameters that are none", () => {
    const refused = [{ page: NaN }, { when: new Date(NaN) }]
    for (const params of refused)
      assert.strictEqual(
        reasonOf(() => Api.id(get("/api/orders", params))),
        "InvalidKey"
      )
    // as callers without types give them
    for (const params of [[{}, { user: "ada" }], new Date(), new Map(), "page=1", 5]) {
      const request = { method: "GET", endpoint: "/api/orders?page=1", params }
      assert.strictEqual(
        reasonOf(() => Reflect.apply(Api.id, undefined, [request])),
        "InvalidKey"
      )
    }
  })
})

it.effect("what is stored of a response says of what, and when", () =>
  Effect.gen(function* () {
    yield* TestClock.adjust("90 seconds")
    const stored = yield* Api.response(get("/api/orders?page=1", { open: true }), { body: [1], status: 200 })
    assert.deepStrictEqual(stored, {
      endpoint: "/api/orders?page=1",
      params: '{"open":true,"page":"1"}',
      cachedAt: DateTime.makeUnsafe(90_000),
      status: 200,
      body: [1]
    })
    const error = yield* Effect.flip(Api.response(get("/api/orders", { page: NaN }), { body: [1] }))
    assert.strictEqual(error.reason, "InvalidKey")
  })
)
