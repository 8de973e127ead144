/**
 * Whether the connection for commands still leads to the same server.
 *
 * After a failover, the new primary may lack what the old one had acknowledged. The bus may not notice, if it has been listening
 * to that server all along; so it has to begin anew, and with it the L1s that rely on it.
 */
import type { Redis } from "ioredis"

export interface Primary {
  /** Asks a new connection which server it leads to. */
  readonly check: (client: Redis) => Promise<void>
  /** How often it was not the server of the connection before. */
  readonly changes: () => number
  /** Runs when it is not the server of the connection before. */
  readonly onChange: (listener: () => void) => void
}

export const make = (): Primary => {
  let runId: string | undefined
  let changed = () => {}
  let changes = 0
  return {
    check: async (client) => {
      // a user without the right to INFO: then each new connection counts as one to another server
      const info = await client.info("server").catch(() => "")
      const current = /^run_id:(\w+)/m.exec(info)?.[1]
      if (runId !== undefined && runId !== current) {
        changes++
        changed()
      }
      runId = current ?? ""
    },
    changes: () => changes,
    onChange: (listener) => {
      changed = listener
    }
  }
}
