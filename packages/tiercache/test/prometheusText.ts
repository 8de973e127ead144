/**
 * Reads the text format of Prometheus, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/), and
 * throws for what Prometheus would refuse or its naming rules (https://prometheus.io/docs/practices/naming/) forbid.
 */
interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly samples: ReadonlyArray<Sample>
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?\d+)?)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y

export const parse = (text: string): ReadonlyMap<string, Family> => {
  if (!text.endsWith("\n")) throw new Error("the last line does not end")
  const families = new Map<string, Family & { readonly samples: Array<Sample> }>()
  let helpFor = ""
  let current: string | undefined
  for (const line of text.slice(0, -1).split("\n")) {
    const [hash, keyword, name = "", ...rest] = line.split(" ")
    if (hash === "#" && keyword === "HELP") {
      if (rest.join(" ") === "") throw new Error(`no help: ${line}`)
      helpFor = name
    } else if (hash === "#" && keyword === "TYPE") {
      if (helpFor !== name || families.has(name)) throw new Error(`not one HELP and TYPE for a family: ${line}`)
      families.set(name, { name, type: rest.join(" "), samples: [] })
      current = name
    } else {
      const family = families.get(current ?? "")
      if (family === undefined) throw new Error(`of no family: ${line}`)
      family.samples.push(sampleOf(line))
    }
  }
  for (const family of families.values()) check(family)
  return families
}

const sampleOf = (line: string): Sample => {
  const [, name, labels = "", value] = SAMPLE.exec(line) ?? []
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`)
  return { name, labels: labelsOf(labels), value: Number(value.replace("Inf", "Infinity")) }
}

const labelsOf = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  for (let end = 0; end < text.length; end = LABEL.lastIndex) {
    const [, name, value] = LABEL.exec(text) ?? []
    if (name === undefined || value === undefined || name in labels) throw new Error(`bad labels: ${text}`)
    labels[name] = value
  }
  return labels
}

/** The same for the same labels in any order. */
const identityOf = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map((label) => JSON.stringify(label))
    .toSorted()
    .join()

const check = ({ name, samples, type }: Family) => {
  const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]
  const seen = new Set<string>()
  for (const sample of samples) {
    if (!suffixes.some((suffix) => sample.name === name + suffix)) throw new Error(`${sample.name} is not of ${name}`)
    const identity = sample.name + identityOf(sample.labels)
    if (seen.has(identity)) throw new Error(`twice: ${identity}`)
    seen.add(identity)
  }
  if (!["counter", "gauge", "histogram"].includes(type)) throw new Error(`${name} is a ${type}`)
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`)
  if (type === "counter" && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below zero`)
  if (/_(millis|milliseconds|ms|minutes|kilobytes)(_|$)/.test(name)) throw new Error(`${name} is not in a base unit`)
  if (type === "histogram") checkBuckets(samples)
}

const checkBuckets = (samples: ReadonlyArray<Sample>) => {
  const buckets = new Map<string, Array<readonly [bound: number, count: number]>>()
  for (const { labels, name, value } of samples) {
    const { le, ...rest } = labels
    const series = identityOf(rest)
    if (le !== undefined)
      buckets.set(series, [...(buckets.get(series) ?? []), [Number(le.replace("Inf", "Infinity")), value]])
    else if (name.endsWith("_count") && buckets.get(series)?.at(-1)?.[1] !== value)
      throw new Error(`${name} is not its last bucket`)
  }
  for (const [series, all] of buckets) {
    const isGrowing = all.every(([bound, count], index) => {
      const [lower, fewer] = all[index - 1] ?? [-Infinity, 0]
      return bound > lower && count >= fewer
    })
    if (!isGrowing || all.at(-1)?.[0] !== Infinity) throw new Error(`buckets of ${series}`)
  }
}
