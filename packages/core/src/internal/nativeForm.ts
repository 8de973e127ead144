/**
 * The form in which MessagePack holds the values of a schema.
 */
import { Schema, SchemaAST } from "effect"

/**
 * `Schema.toCodecJson`, except that undefined, numbers, bigints and unknown values stay what they are: JSON's form writes
 * undefined as null, NaN as "NaN" and 1n as "1", and of unknown values only those of JSON.
 */
export const toCodecNative = <A>(schema: Schema.Codec<A, unknown>): Schema.Codec<A, unknown> => {
  const known = new Map<SchemaAST.AST, SchemaAST.AST>()
  const convert = (ast: SchemaAST.AST): SchemaAST.AST => {
    const converted = known.get(ast) ?? convertNode(ast, convert)
    known.set(ast, converted)
    return converted
  }
  return Schema.make<Schema.Codec<A, unknown>>(convert(schema.ast))
}

type Convert = (ast: SchemaAST.AST) => SchemaAST.AST

const convertNode = (ast: SchemaAST.AST, convert: Convert): SchemaAST.AST => {
  if (ast.encoding !== undefined) {
    // Of a chain of encodings, such as that of a class, the last link is what gets stored.
    const last = ast.encoding.length - 1
    const [first, ...rest] = ast.encoding.map((link, index) =>
      index === last ? new SchemaAST.Link(convert(link.to), link.transformation) : link
    )
    return (first && rebuild(ast, (part) => part, [first, ...rest])) ?? toJson(ast)
  }
  switch (ast._tag) {
    case "Undefined":
    case "Void":
    case "Number":
    case "BigInt":
    case "Literal":
    case "Unknown":
    case "ObjectKeyword":
      return ast
    case "Declaration":
      return toJson(ast)
    default:
      return rebuild(ast, convert, undefined) ?? toJson(ast)
  }
}

const toJson = (ast: SchemaAST.AST): SchemaAST.AST => Schema.toCodecJson(Schema.make(ast)).ast

/** The same node with other parts and another encoding; `undefined` for a kind of node that has no parts. */
const rebuild = (
  ast: SchemaAST.AST,
  part: Convert,
  encoding: SchemaAST.Encoding | undefined
): SchemaAST.AST | undefined => {
  const { annotations, checks, context } = ast
  switch (ast._tag) {
    case "Arrays": {
      const [elements, rest] = [ast.elements.map(part), ast.rest.map(part)]
      return new SchemaAST.Arrays(
        ast.isMutable,
        elements,
        rest,
        annotations,
        checks,
        encoding,
        context,
        ast.encodingChecks
      )
    }
    case "Objects": {
      if (!hasTextKeys(ast)) return undefined
      const fields = ast.propertySignatures.map(({ name, type }) => new SchemaAST.PropertySignature(name, part(type)))
      const rest = ast.indexSignatures.map(({ parameter, type }) => new SchemaAST.IndexSignature(parameter, part(type)))
      return new SchemaAST.Objects(fields, rest, annotations, checks, encoding, context, ast.encodingChecks)
    }
    case "Union": {
      const types = ast.types.map(part)
      return new SchemaAST.Union(types, ast.options, annotations, checks, encoding, context, ast.encodingChecks)
    }
    case "Suspend":
      return new SchemaAST.Suspend(() => part(ast.thunk()), annotations, checks, encoding, context)
    case "Declaration": {
      const { encodingChecks, encodingRun, run, typeParameters } = ast
      return new SchemaAST.Declaration(
        typeParameters,
        run,
        annotations,
        checks,
        encoding,
        context,
        encodingChecks,
        encodingRun
      )
    }
  }
  return undefined
}

/** JSON's form turns symbols into text where they are keys of a record, and refuses them as names of fields. */
const hasTextKeys = (ast: SchemaAST.Objects): boolean =>
  ast.propertySignatures.every(({ name }) => typeof name === "string") &&
  ast.indexSignatures.every(({ parameter }) => SchemaAST.isString(parameter) || SchemaAST.isTemplateLiteral(parameter))
