/**
 * A run for people: what was done, what the server and the loaders did, and what is wrong with it.
 */
import type { Operation } from "./History.ts"
import type { Run } from "./Simulation.ts"
import { show, showCall } from "./Step.ts"
import type { Violation } from "./Violation.ts"

export const report = ({ history, performed }: Run, violations: ReadonlyArray<Violation>): string =>
  [
    "schedule:",
    ...performed.map((step) => `  ${show(step)},`),
    "changes on the server:",
    ...history.changes.map(
      ({ cause, key, operation, value }, index) =>
        `  ${index + 1}: ${cause} ${key} = ${value} by ${operation ?? "nobody"}`
    ),
    "loads:",
    ...history.loads.map(
      ({ key, origin, sawChange, value }) => `  ${origin} ${key} = ${value}, after change ${sawChange}`
    ),
    "leases:",
    ...history.leases.map(
      ({ at, cause, key, position, token, until }) =>
        `  after ${position}: ${cause} ${key} by ${token} at ${at} until ${until} ms`
    ),
    "operations:",
    ...history.operations.map(describeOperation),
    "violations:",
    ...violations.map(({ message, rule }) => `  ${rule}: ${message}`)
  ].join("\n")

const describeOperation = ({ call, endedAt, found, id, origin, outcome, positions, startedAt }: Operation): string => {
  const results = [...found].map(([key, found]) => `${key} = ${found && `${found.value} from ${found.tier}`}`)
  const seen = [...positions].map(([key, position]) => `${key} at ${position}`)
  return `  ${id}: ${origin} ${showCall(call)}: ${[outcome, ...results, ...seen].join(", ")} (${startedAt}-${endedAt} ms)`
}
