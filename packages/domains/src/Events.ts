/**
 * What happens to connections and accounts, and what of them leaves the cache then. Each has a switch.
 */
import { type CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type * as Clear from "./Clear.ts"

/** All of them on, unless given. */
export interface Options {
  readonly vb?:
    | {
        readonly clearOnDisconnect?: boolean | undefined
        readonly clearOnReset?: boolean | undefined
        readonly clearOnDelete?: boolean | undefined
      }
    | undefined
  readonly broker?:
    | {
        readonly clearOnDisconnect?: boolean | undefined
        readonly clearOnAuthFail?: boolean | undefined
      }
    | undefined
}

type Count = Effect.Effect<number, CacheError.CacheError>

/** How many entries were deleted; 0 where the switch is off. */
export interface Events {
  /** The connection of a virtual broker has ended: `clear.brokerConnection`. */
  readonly vbDisconnected: (connection: Clear.BrokerConnection) => Count
  /** A virtual account begins anew: `clear.account`. */
  readonly vbReset: (account: Clear.ConnectedAccount) => Count
  /** There is no such virtual account any more: `clear.account`. */
  readonly vbDeleted: (account: Clear.ConnectedAccount) => Count
  /** The connection of a broker has ended: `clear.brokerConnection`. */
  readonly brokerDisconnected: (connection: Clear.BrokerConnection) => Count
  /** A broker has refused what a connection logged in with: `clear.brokerConnection`. */
  readonly brokerAuthFailed: (connection: Clear.BrokerConnection) => Count
}

export const make = (clear: Clear.Clear, { broker, vb }: Options): Events => {
  const unlessOff = <A>(isOn: boolean | undefined, operation: (subject: A) => Count) =>
    isOn === false ? () => Effect.succeed(0) : operation
  return {
    vbDisconnected: unlessOff(vb?.clearOnDisconnect, clear.brokerConnection),
    vbReset: unlessOff(vb?.clearOnReset, clear.account),
    vbDeleted: unlessOff(vb?.clearOnDelete, clear.account),
    brokerDisconnected: unlessOff(broker?.clearOnDisconnect, clear.brokerConnection),
    brokerAuthFailed: unlessOff(broker?.clearOnAuthFail, clear.brokerConnection)
  }
}
