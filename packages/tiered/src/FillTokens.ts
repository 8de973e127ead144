/**
 * Which reads and writes in flight may still put what they bring into L1.
 *
 * **Details**
 *
 * Who reads or writes the shared store opens a token for the key first. Whatever makes the outcome doubtful in the meantime
 * (a message about the key, an own write to it, an epoch's end) voids the token. A reply whose token is void
 * is returned to its caller, and not stored. Without this, a reply that was sent before a foreign write and arrives after its
 * announcement would stay in L1 until it expires: Nishtala et al., "Scaling Memcache at Facebook" (NSDI 2013), section 3.2.1,
 * close the same hole with leases.
 */

export interface Token {
  readonly key: string
  readonly version: number
  readonly isWrite: boolean
  readonly epoch: number
}

export interface FillTokens {
  /** For a read: valid until something happens to the key. Void from the start while an own write is in flight. */
  readonly open: (key: string) => Token
  /** For an own write: voids the tokens of the reads in flight, and those of other own writes, as they void this one. */
  readonly openWrite: (key: string) => Token
  /** Ends a token of either kind, once; whether it was still valid. */
  readonly close: (token: Token) => boolean
  /** Voids the tokens of a key; whether there were any. */
  readonly voidKey: (key: string) => boolean
  readonly voidMatching: (matches: (key: string) => boolean) => void
  /** Voids all tokens and forgets them, own writes in flight included. */
  readonly voidAll: () => void
  /** Keys with open tokens. */
  readonly size: () => number
}

/** A key with open tokens: those of another version are void. */
interface InFlight {
  version: number
  open: number
  writes: number
}

/** The version of tokens that never are valid. */
const VOID = 0

/**
 * `limit` bounds the keys that have open tokens. `onOverflow` is called when one more comes, and has to call `voidAll`: what is
 * forgotten must not count as undisturbed.
 */
export const make = (limit: number, onOverflow: () => void): FillTokens => {
  const keys = new Map<string, InFlight>()
  // one sequence for all keys: a version never comes back, even after its key was forgotten
  let lastVersion = VOID
  // counts voidAll: tokens of an earlier epoch have nothing to end
  let epoch = 0

  const begin = (key: string): InFlight => {
    const known = keys.get(key)
    if (known !== undefined) {
      known.open++
      return known
    }
    if (keys.size >= limit) onOverflow()
    const state = { version: ++lastVersion, open: 1, writes: 0 }
    keys.set(key, state)
    return state
  }
  const voidState = (state: InFlight) => {
    state.version = ++lastVersion
  }

  return {
    open: (key) => {
      const state = begin(key)
      return { key, version: state.writes > 0 ? VOID : state.version, isWrite: false, epoch }
    },
    openWrite: (key) => {
      const state = begin(key)
      voidState(state)
      state.writes++
      return { key, version: state.version, isWrite: true, epoch }
    },
    close: ({ epoch: openedIn, isWrite, key, version }) => {
      const state = keys.get(key)
      if (state === undefined || openedIn !== epoch) return false
      if (isWrite) state.writes--
      if (--state.open === 0) keys.delete(key)
      // of own writes that overlap, nobody knows which is the last
      return state.version === version && state.writes === 0
    },
    voidKey: (key) => {
      const state = keys.get(key)
      if (state !== undefined) voidState(state)
      return state !== undefined
    },
    voidMatching: (matches) => {
      for (const [key, state] of keys) if (matches(key)) voidState(state)
    },
    voidAll: () => {
      keys.clear()
      epoch++
    },
    size: () => keys.size
  }
}
