import { fileURLToPath } from "node:url"
import { transformWithOxc } from "vite"
import { defineProject } from "vitest/config"

const fence = /^( *\* )?```ts import\.meta\.vitest\n([\s\S]*?)^\1?```$/gm
const umbrella = fileURLToPath(import.meta.resolve("./packages/tiercache/src/index.ts"))

/** A test cannot hold static imports: each becomes a dynamic one, and imported types go. */
const dynamicImports = (example: string): string =>
  example
    .replaceAll(/^import type [^"]+"[^"]+"$/gm, "")
    .replaceAll(/^import \* as (\w+) from ("[^"]+")$/gm, "const $1 = await import($2)")
    .replaceAll(/^import (\{[^}]+\}) from ("[^"]+")$/gm, (_, names: string, from: string) => {
      const values = names.replaceAll(/\btype [^,}\n]+,?/g, "").replaceAll(" as ", ": ")
      return `const ${values} = await import(${from})`
    })

/** `expression // => value` asserts deep equality. */
const assertions = (example: string): string =>
  example.replaceAll(
    /^( *)(?:const (\w+)(?:: [^=]+)? = )?(.+?) \/\/ => (.+)$/gm,
    (_, indent: string, name: string | undefined, expression: string, value: string) =>
      name === undefined
        ? `${indent}expect(${expression}).toEqual(${value})`
        : `${indent}const ${name} = ${expression}; expect(${name}).toEqual(${value})`
  )

/** Each example as a test and everything else blank, so that every line keeps its number. */
const toTests = (text: string): string => {
  const blank = (prose = "") => prose.replaceAll(/[^\n]/g, "")
  const [start, ...rest] = text.split(fence)
  let tests = blank(start)
  for (let i = 0; i < rest.length; i += 3) {
    const [prefix, example = "", prose] = rest.slice(i, i + 3)
    const body = prefix === undefined ? example : example.replaceAll(/^ *\* ?/gm, "")
    tests += `it("line ${tests.split("\n").length}", async () => {\n${assertions(dynamicImports(body))}})${blank(prose)}`
  }
  return tests
}

/**
 * The examples of the documentation as tests: every fence that opens with `ts import.meta.vitest`, in a doc comment or in
 * a markdown file.
 */
export const docs = defineProject({
  plugins: [
    {
      name: "examples",
      enforce: "pre",
      // Examples import packages by name, as somebody does who has installed `tiercache`.
      resolveId(source, importer) {
        const isOurs = /^@?tiercache(\/|$)/.test(source)
        const inMarkdown = importer?.endsWith(".md") && /^[@\w]/.test(source)
        return isOurs || inMarkdown ? this.resolve(source, umbrella) : undefined
      },
      transform(code, id) {
        if (id.endsWith(".md")) {
          return transformWithOxc(`import { expect, it } from "vitest"; ${toTests(code)}`, id, {
            lang: "ts",
            target: "node22"
          })
        }
        return code.search(fence) === -1
          ? undefined
          : `${code}\nif (import.meta.vitest) { const { expect, it } = import.meta.vitest; ${toTests(code)}\n}`
      }
    }
  ],
  test: {
    name: "docs",
    // as for unit tests, see vitest.config.ts
    isolate: false,
    // in milliseconds; the first example of a worker loads all packages, on a machine that may be busy
    testTimeout: 60_000,
    include: [],
    includeSource: ["README.md", "docs/**/*.md", "packages/*/README.md", "packages/*/src/**/*.ts"]
  }
})
