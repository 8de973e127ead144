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
 *
 * Answers are not taken to come in the order of the requests: a read or a write of many keys ends with the last of several
 * commands, a script that the store did not know is sent once more. So the end of a read voids what was opened before it, since
 * its caller has then seen what may be newer; and own writes that overlap void each other, since nobody knows which is the last.
 */

export interface Token {
  readonly key: string
  readonly order: number
  readonly isWrite: boolean
  readonly epoch: number
}

export interface FillTokens {
  /** For a read. */
  readonly open: (key: string) => Token
  /** For an own write: until it has ended, no token of the key is valid but its own. */
  readonly openWrite: (key: string) => Token
  /**
   * Ends a token of either kind, once; whether it was still valid. A read voids the tokens that were opened before, a write
   * all that are open.
   */
  readonly close: (token: Token) => boolean
  /** Voids the tokens of a key; whether there were any. */
  readonly voidKey: (key: string) => boolean
  readonly voidMatching: (matches: (key: string) => boolean) => void
  /** Voids all tokens and forgets them, own writes in flight included. */
  readonly voidAll: () => void
  /** Keys with open tokens. */
  readonly size: () => number
}

/** A key with open tokens. */
interface InFlight {
  /** Tokens up to this one are void. */
  voidUpTo: number
  open: number
  writes: number
}

/**
 * `limit` bounds the keys that have open tokens. `onOverflow` is called when one more comes, and has to call `voidAll`: what is
 * forgotten must not count as undisturbed.
 */
export const make = (limit: number, onOverflow: () => void): FillTokens => {
  const keys = new Map<string, InFlight>()
  let last = 0
  // counts voidAll: tokens of an earlier epoch have nothing to end
  let epoch = 0

  const open = (key: string, isWrite: boolean): Token => {
    const state = keys.get(key) ?? begin(key)
    state.open++
    if (isWrite) state.writes++
    return { key, order: ++last, isWrite, epoch }
  }
  const begin = (key: string): InFlight => {
    if (keys.size >= limit) onOverflow()
    const state = { voidUpTo: 0, open: 0, writes: 0 }
    keys.set(key, state)
    return state
  }

  return {
    open: (key) => open(key, false),
    openWrite: (key) => open(key, true),
    close: ({ epoch: openedIn, isWrite, key, order }) => {
      const state = keys.get(key)
      if (state === undefined || openedIn !== epoch) return false
      if (isWrite) state.writes--
      const isValid = order > state.voidUpTo && state.writes === 0
      state.voidUpTo = isWrite ? last : Math.max(state.voidUpTo, order)
      if (--state.open === 0) keys.delete(key)
      return isValid
    },
    voidKey: (key) => {
      const state = keys.get(key)
      if (state !== undefined) state.voidUpTo = last
      return state !== undefined
    },
    voidMatching: (matches) => {
      for (const [key, state] of keys) if (matches(key)) state.voidUpTo = last
    },
    voidAll: () => {
      keys.clear()
      epoch++
    },
    size: () => keys.size
  }
}
