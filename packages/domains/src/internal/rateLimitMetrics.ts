/**
 * What rate limits show to OpenTelemetry and Prometheus: by policy, of which there are few, and never by subject.
 */
import type { Telemetry } from "@tiercache/core"
import type { Counts } from "./rateLimitRegistry.ts"

/** Shows how calls of a policy were answered. */
export const show = ({ counter }: Telemetry.Telemetry, policy: string, counts: Counts): void => {
  const count = (name: string, description: string, read: () => number, labels?: Readonly<Record<string, string>>) =>
    counter({ name: `tiercache_rate_limit_${name}_total`, description, labels: { policy, ...labels } }, read)

  const outcomes = {
    allowed: () => counts.allowed - counts.shadowed,
    denied: () => counts.denied,
    shadow_denied: () => counts.shadowed
  }
  for (const [outcome, read] of Object.entries(outcomes)) {
    count("decisions", "Answers, by what they were.", read, { outcome })
  }
  const sources = {
    store: () => counts.allowed + counts.denied - counts.remembered - counts.withoutStore,
    local: () => counts.local,
    deny_cache: () => counts.remembered,
    fallback: () => counts.withoutStore - counts.local
  }
  for (const [source, read] of Object.entries(sources)) {
    count("answers", "Answers, by who decided.", read, { source })
  }
  count("near_limit", "Calls that were allowed with less than a tenth of the limit left.", () => counts.nearLimit)
}
