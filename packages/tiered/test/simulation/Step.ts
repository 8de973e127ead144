/**
 * What a schedule is made of: who does what next. A step that is not possible when its turn comes does nothing.
 */

/** Long enough to outlive a schedule, or about as long as the bound. */
export type Lifetime = "long" | "short"

export interface WriteOptions {
  readonly ttl?: Lifetime
  /** There for a while after its TTL. */
  readonly grace?: boolean
  readonly push?: boolean
  readonly only?: "absent" | "present"
}

/** Of a lease that is taken by hand. */
export interface LoadOptions {
  readonly ttl?: Lifetime
  readonly grace?: boolean
  readonly push?: boolean
  /** Loads what is fresh, too. */
  readonly always?: boolean
  /** If it fails, nobody tries again for a while. */
  readonly backoff?: boolean
}

/** See `LoadPolicy`. */
export interface PolicyOptions {
  readonly ttl?: Lifetime
  readonly grace?: boolean
  readonly push?: boolean
  readonly staleWhileRevalidate?: boolean
  readonly softTimeout?: boolean
  readonly hardTimeout?: boolean
  readonly refreshAhead?: boolean
  readonly background?: boolean
  readonly backoff?: boolean
}

/** A call of a tiered cache. */
export type Call =
  | { readonly call: "get"; readonly key: string; readonly fresh: boolean }
  | { readonly call: "getMany"; readonly keys: ReadonlyArray<string>; readonly fresh: boolean }
  | { readonly call: "load"; readonly key: string; readonly options: LoadOptions }
  | { readonly call: "getOrLoad" | "refresh"; readonly key: string; readonly options: PolicyOptions }
  | { readonly call: "getManyOrLoad"; readonly keys: ReadonlyArray<string>; readonly options: PolicyOptions }
  | { readonly call: "set"; readonly key: string; readonly options: WriteOptions }
  | { readonly call: "setMany"; readonly keys: ReadonlyArray<string>; readonly options: WriteOptions }
  | { readonly call: "delete"; readonly key: string }
  | { readonly call: "deleteMany"; readonly keys: ReadonlyArray<string> }
  | { readonly call: "expire"; readonly key: string; readonly ttl: Lifetime }
  | { readonly call: "deletePattern" }

/** What happens to a process, without a choice. */
export type Event =
  /** The server executes the next command of a process. */
  | "serve"
  /** A process gets the next reply. */
  | "reply"
  /** A process gets the next message of the bus. */
  | "hear"
  /** All of these, until nothing is under way to and from a process. */
  | "flow"
  /** The oldest load of a process that has not done so looks at the database. */
  | "look"
  /** The oldest load of a process brings what it saw, or fails. */
  | "finish"
  | "fail"
  /** A process gives up waiting for its oldest command. */
  | "timeOut"
  /** Somebody interrupts the oldest call of a process. */
  | "interrupt"
  /** The server does not know the script of the next command, which has to be sent again. */
  | "refuse"
  /** The next reply is handled after all others. */
  | "linger"
  /** The connection for commands is lost, and made anew. */
  | "cut"
  | "reopen"
  /** A command that was under way over a lost connection is executed. */
  | "serveOrphan"
  /** What was heard last comes once more. */
  | "duplicate"
  /** The connection to the bus brings nothing any more; the process sees that; it subscribes anew. */
  | "sever"
  | "notice"
  | "connect"
  /** A process dies, and another one takes its place. */
  | "crash"

export type Step =
  | { readonly step: "call"; readonly process: number; readonly call: Call }
  | { readonly step: Event; readonly process: number }
  /** A call that is interrupted after a few turns of its fiber, each of them one operation. */
  | { readonly step: "abort"; readonly process: number; readonly call: Call; readonly turns: number }
  /** Time passes, and timers fire. */
  | { readonly step: "advance"; readonly millis: number }
  /** Time passes, and nobody does anything. */
  | { readonly step: "stall"; readonly millis: number }
  /** The server forgets a key, and tells nobody. */
  | { readonly step: "evict"; readonly key: string }
  /** All keys of the server are deleted, as it announces. */
  | { readonly step: "flush" }
  /** The server starts anew, empty. */
  | { readonly step: "restart" }

const call = (process: number, call: Call): Step => ({ step: "call", process, call })

export const get = (process: number, key: string): Step => call(process, { call: "get", key, fresh: false })
export const getFresh = (process: number, key: string): Step => call(process, { call: "get", key, fresh: true })
export const getMany = (process: number, keys: ReadonlyArray<string>): Step =>
  call(process, { call: "getMany", keys, fresh: false })
export const getManyFresh = (process: number, keys: ReadonlyArray<string>): Step =>
  call(process, { call: "getMany", keys, fresh: true })
export const load = (process: number, key: string, options: LoadOptions = {}): Step =>
  call(process, { call: "load", key, options })
export const getOrLoad = (process: number, key: string, options: PolicyOptions = {}): Step =>
  call(process, { call: "getOrLoad", key, options })
export const refresh = (process: number, key: string, options: PolicyOptions = {}): Step =>
  call(process, { call: "refresh", key, options })
export const getManyOrLoad = (process: number, keys: ReadonlyArray<string>, options: PolicyOptions = {}): Step =>
  call(process, { call: "getManyOrLoad", keys, options })
export const set = (process: number, key: string, options: WriteOptions = {}): Step =>
  call(process, { call: "set", key, options })
export const setMany = (process: number, keys: ReadonlyArray<string>, options: WriteOptions = {}): Step =>
  call(process, { call: "setMany", keys, options })
export const del = (process: number, key: string): Step => call(process, { call: "delete", key })
export const deleteMany = (process: number, keys: ReadonlyArray<string>): Step =>
  call(process, { call: "deleteMany", keys })
export const expire = (process: number, key: string, ttl: Lifetime): Step => call(process, { call: "expire", key, ttl })
export const deletePattern = (process: number): Step => call(process, { call: "deletePattern" })

/** The first turns of the call in a step. */
export const abort = (turns: number, step: Step): Step =>
  step.step === "call" ? { ...step, step: "abort", turns } : step

const event =
  (step: Event) =>
  (process: number): Step => ({ step, process })

export const serve = event("serve")
export const reply = event("reply")
export const hear = event("hear")
export const flow = event("flow")
export const look = event("look")
export const finish = event("finish")
export const fail = event("fail")
export const timeOut = event("timeOut")
export const interrupt = event("interrupt")
export const refuse = event("refuse")
export const linger = event("linger")
export const cut = event("cut")
export const reopen = event("reopen")
export const serveOrphan = event("serveOrphan")
export const duplicate = event("duplicate")
export const sever = event("sever")
export const notice = event("notice")
export const connect = event("connect")
export const crash = event("crash")

export const advance = (millis: number): Step => ({ step: "advance", millis })
export const stall = (millis: number): Step => ({ step: "stall", millis })
export const evict = (key: string): Step => ({ step: "evict", key })
export const flush: Step = { step: "flush" }
export const restart: Step = { step: "restart" }

/** A step as it is written in a test, so that what failed can be copied there. */
export const show = (step: Step): string => {
  switch (step.step) {
    case "call":
      return showCall(step.call, step.process)
    case "abort":
      return `abort(${step.turns}, ${showCall(step.call, step.process)})`
    case "advance":
    case "stall":
      return `${step.step}(${step.millis})`
    case "evict":
      return `evict("${step.key}")`
    case "flush":
    case "restart":
      return step.step
    default:
      return `${step.step}(${step.process})`
  }
}

/** Without a process, as a call of whichever. */
export const showCall = (call: Call, process?: number): string => {
  switch (call.call) {
    case "get":
    case "getMany":
      return showArguments(call.fresh ? `${call.call}Fresh` : call.call, process, keysOf(call))
    case "load":
    case "getOrLoad":
    case "getManyOrLoad":
    case "refresh":
    case "set":
    case "setMany":
      return showArguments(call.call, process, keysOf(call), call.options)
    case "expire":
      return showArguments("expire", process, call.key, call.ttl)
    case "delete":
      return showArguments("del", process, call.key)
    case "deleteMany":
      return showArguments("deleteMany", process, call.keys)
    case "deletePattern":
      return showArguments("deletePattern", process)
  }
}

const keysOf = (call: { readonly key: string } | { readonly keys: ReadonlyArray<string> }) =>
  "key" in call ? call.key : call.keys

const showArguments = (name: string, ...args: ReadonlyArray<unknown>): string => {
  const shown = args.map((argument) => JSON.stringify(argument)).filter((text) => text !== undefined && text !== "{}")
  return `${name}(${shown.join(", ").replaceAll(/"(\w+)":/g, "$1: ")})`
}
