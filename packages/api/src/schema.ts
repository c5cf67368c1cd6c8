/**
 * JSON Schema documents (draft 2020-12) with the TypeScript types of the values they describe, plain objects made by a
 * few functions. Clients check answers against them, and loading a library that does more would take longer than a
 * request does.
 */

/** What the documents of this contract consist of. */
interface Document {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Document[];
  readonly items?: Document;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Document>>;
  readonly additionalProperties?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/**
 * A document that describes values of type T. The type is not there at run time; it has the name under which typebox,
 * which servers compile the documents with, looks for it.
 */
export interface Schema<T> extends Document {
  readonly "~unsafe": T;
}

/** The type of the values that a schema describes. */
export type Static<S> = S extends Schema<infer T> ? T : never;

/** A property that may be absent. */
export interface Optional<T> {
  readonly optional: Schema<T>;
}

type Keywords = Omit<Document, "type" | "const" | "anyOf" | "items" | "required" | "properties">;
type Fields = Readonly<Record<string, Schema<unknown> | Optional<unknown>>>;
type OptionalNames<F extends Fields> = {
  [Name in keyof F]: F[Name] extends Optional<unknown> ? Name : never;
}[keyof F];
type ValueOf<Field> = Field extends Optional<infer T> ? T : Static<Field>;
type ObjectOf<F extends Fields> = Flat<
  { -readonly [Name in Exclude<keyof F, OptionalNames<F>>]: ValueOf<F[Name]> } & {
    -readonly [Name in OptionalNames<F>]?: ValueOf<F[Name]>;
  }
>;
/** The same type, shown as one. */
type Flat<T> = { [Name in keyof T]: T[Name] };

/** Says which type a document describes: only the functions below know. */
function described<T>(document: Document): Schema<T>;
function described(document: Document): Document {
  return document;
}

function literal<const T extends string | number | boolean>(value: T): Schema<T> {
  return described({ type: typeof value, const: value });
}

function array<T>(items: Schema<T>, keywords: Keywords = {}): Schema<T[]> {
  return described({ type: "array", items, ...keywords });
}

function union<const S extends readonly Schema<unknown>[]>(
  anyOf: S,
  keywords: Keywords = {},
): Schema<Static<S[number]>> {
  return described({ anyOf, ...keywords });
}

function object<F extends Fields>(fields: F, keywords: Keywords = {}): Schema<ObjectOf<F>> {
  const properties: Record<string, Document> = {};
  const required: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if ("optional" in field) properties[name] = field.optional;
    else {
      properties[name] = field;
      required.push(name);
    }
  }
  return described({
    type: "object",
    ...(required.length > 0 ? { required } : undefined),
    properties,
    ...keywords,
  });
}

export const Type = {
  String: (keywords: Keywords = {}): Schema<string> => described({ type: "string", ...keywords }),
  Integer: (keywords: Keywords = {}): Schema<number> => described({ type: "integer", ...keywords }),
  Number: (keywords: Keywords = {}): Schema<number> => described({ type: "number", ...keywords }),
  Boolean: (keywords: Keywords = {}): Schema<boolean> => described({ type: "boolean", ...keywords }),
  Null: (): Schema<null> => described({ type: "null" }),
  Unknown: (): Schema<unknown> => described({}),
  Literal: literal,
  Array: array,
  Union: union,
  Object: object,
  /** Of a property: it may be absent. */
  Optional: <T>(schema: Schema<T>): Optional<T> => ({ optional: schema }),
} as const;
