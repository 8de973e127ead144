/**
 * What the protocol relies on and would not get: each of these has to be noticed.
 */
export type Fault =
  /** Writes are announced by a command of their own, later. */
  | "announces apart"
  /** Now and then a message is lost, and what follows it arrives. */
  | "loses messages"
  /** Heartbeats arrive before the messages that were published earlier. */
  | "heartbeats overtake"
  /** A subscription begins later than it is acknowledged. */
  | "subscribes late"
  /** Newer entries have lower versions. */
  | "versions shrink"
  /** Readers are not told when entries expire. */
  | "hides deadlines"
  /** What was loaded is stored without a look at the lease. */
  | "fills without a lease"
  /** What was loaded counts as stored, although its lease is gone. */
  | "claims to fill"
  /** A lease outlives the removal of its key. */
  | "deletes keep leases"
  /** A lease outlives a write to its key. */
  | "sets keep leases"
  /** Who asks for a lease gets it, although another has it. */
  | "grants twice"
