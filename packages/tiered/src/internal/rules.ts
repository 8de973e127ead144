/**
 * The rules of the coherence protocol, each of which can be switched off. Nobody does, but a test: it shows that the checker
 * of histories notices when a rule is missing, and so that each rule is needed.
 */
export interface Rules {
  /** A message voids the tokens of reads and writes in flight for its keys. */
  readonly fillTokens: boolean
  /** An own write voids the tokens of reads in flight, and is stored in L1 only if its own token is still valid. */
  readonly writeTokens: boolean
  /** L1 is read only until the last heartbeat that was heard is as old as the bound. */
  readonly trustLease: boolean
  /** L1 is emptied when the bus is connected again. */
  readonly emptyOnConnect: boolean
  /** A pushed value replaces an entry only if it is newer and no token is open for the key; it removes it otherwise. */
  readonly updateOrder: boolean
  /** Writes whose outcome is unknown are deleted before trust is renewed, and deletions by tags repeated. */
  readonly repeatUnacknowledged: boolean
  /** A message about an own write that failed counts like anybody's. */
  readonly lateOwnWrites: boolean
}

export const all: Rules = {
  fillTokens: true,
  writeTokens: true,
  trustLease: true,
  emptyOnConnect: true,
  updateOrder: true,
  repeatUnacknowledged: true,
  lateOwnWrites: true
}
