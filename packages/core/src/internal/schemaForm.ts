/**
 * The values of a schema in a form that a wire format can hold, and back.
 */
import { Schema, SchemaAST, SchemaIssue } from "effect"
import * as Storable from "./storable.ts"

export interface SchemaForm<A> {
  /** Throws a `CacheError` for what does not fit the schema, or would come back as something else. */
  readonly encode: (value: A) => unknown
  /** Throws a `CacheError` for what does not fit the schema. */
  readonly decode: (form: unknown) => A
  /** The names of the fields, if the form is an object with fixed ones, or an array of such. */
  readonly fields: ReadonlyArray<string> | undefined
}

/** `codec` is the schema with the encoding that the wire format wants. */
export const make = <A>(schema: Schema.Codec<A, unknown>, codec: Schema.Codec<A, unknown>): SchemaForm<A> => {
  const encodeUnknown = Schema.encodeUnknownSync(codec)
  const decodeUnknown = Schema.decodeUnknownSync(codec)
  // At the first use only: a suspended part may be declared after what is cached.
  let inspected: Inspection<A> | undefined
  const inspection = () => (inspected ??= inspect(schema, codec))

  const decode = (form: unknown): A => {
    try {
      return decodeUnknown(form)
    } catch (error) {
      throw Schema.isSchemaError(error) ? Storable.unreadable(describe(error.issue, inspection().names)) : error
    }
  }
  const encode = (value: A): unknown => {
    const { isSame, names } = inspection()
    try {
      const form = encodeUnknown(value)
      if (isSame === undefined || isSame(value, decodeUnknown(form))) return form
    } catch (error) {
      throw Schema.isSchemaError(error) ? Storable.refuse(describe(error.issue, names)) : error
    }
    throw Storable.refuse("its schema stores it like another value, which would come back instead")
  }
  return { encode, decode, fields: fieldsOf(SchemaAST.toEncoded(codec.ast)) }
}

interface Inspection<A> {
  /** The names of all fields. */
  readonly names: ReadonlySet<PropertyKey>
  /** Compares what would come back with what is stored, if the schema may lose something. */
  readonly isSame: ((self: A, that: A) => boolean) | undefined
}

const inspect = <A>(schema: Schema.Codec<A, unknown>, codec: Schema.Codec<A, unknown>): Inspection<A> => {
  const nodes = nodesOf(codec.ast)
  return {
    names: new Set(nodes.filter(SchemaAST.isObjects).flatMap((ast) => ast.propertySignatures.map(({ name }) => name))),
    isSame: nodes.some(isLossy) ? Schema.toEquivalence(schema) : undefined
  }
}

const nodesOf = (root: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  const nodes = new Set<SchemaAST.AST>()
  const visit = (ast: SchemaAST.AST) => {
    if (nodes.has(ast)) return
    nodes.add(ast)
    for (const part of partsOf(ast)) visit(part)
    for (const { to } of ast.encoding ?? []) visit(to)
  }
  visit(root)
  return [...nodes]
}

const partsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  switch (ast._tag) {
    case "Arrays":
      return [...ast.elements, ...ast.rest]
    case "Objects":
      return [...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type)
    case "Union":
      return ast.types
    case "Suspend":
      return [ast.thunk()]
    case "Declaration":
      return ast.typeParameters
    default:
      return []
  }
}

/** JSON takes any object for a record, so a Date that is only known to be an object becomes `{}`. */
const isLossy = (ast: SchemaAST.AST): boolean =>
  (SchemaAST.isObjectKeyword(ast) && ast.encoding !== undefined) || isAmbiguous(ast)

/** Whether members of a union are stored alike, so that decoding may take one for the other: a Date and a string in JSON. */
const isAmbiguous = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isUnion(ast) &&
  ast.types.some((member) => {
    const stored = SchemaAST.toEncoded(member)
    if (stored === SchemaAST.toType(member)) return false
    return ast.types.some((other) => other !== member && mayLookAlike(stored, SchemaAST.toEncoded(other)))
  })

const mayLookAlike = (self: SchemaAST.AST, that: SchemaAST.AST): boolean => {
  const [kinds, others] = [kindsOf(self), kindsOf(that)]
  return kinds.includes(ANY) || others.includes(ANY) || kinds.some((kind) => others.includes(kind))
}

const ANY = "any"

const kindsOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  switch (ast._tag) {
    case "Null":
    case "Undefined":
    case "String":
    case "Number":
    case "Boolean":
    case "BigInt":
    case "Arrays":
      return [ast._tag.toLowerCase()]
    case "Objects":
      return [isAnything(ast) ? ANY : "objects"]
    case "Literal":
      return [typeof ast.literal]
    case "Enum":
      return ast.enums.map(([, value]) => typeof value)
    case "TemplateLiteral":
      return ["string"]
    case "Union":
      return ast.types.flatMap(kindsOf)
    default:
      return [ANY]
  }
}

/** A struct without fields takes everything but null and undefined. */
const isAnything = (ast: SchemaAST.Objects): boolean =>
  ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0

const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> | undefined => {
  const struct = SchemaAST.isArrays(ast) && ast.elements.length === 0 ? ast.rest[0] : ast
  if (struct === undefined || !SchemaAST.isObjects(struct) || struct.indexSignatures.length > 0) return undefined
  return struct.propertySignatures.map(({ name }) => String(name))
}

/** What is wrong, and where. Text by a check of the user's may quote the value, and names of other fields are part of it. */
const describe = (issue: SchemaIssue.Issue, names: ReadonlySet<PropertyKey>): string => {
  const { message = "", path = [] } = formatter(issue).issues[0] ?? {}
  const where = path.map((step) => {
    const name = typeof step === "object" ? step.key : step
    return typeof name === "number" || names.has(name) ? String(name) : "…"
  })
  return where.length === 0 ? message : `${message} at ${where.join(".")}`
}

const formatter = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "InvalidValue" || issue._tag === "Forbidden"
      ? "Expected a valid value"
      : SchemaIssue.defaultLeafHook(issue),
  checkHook: () => undefined
})
