/**
 * Checks answers against the contract's own schemas. They are JSON Schema documents that use a handful of
 * keywords; reading those few here keeps a validator, and the code generation it brings, out of browsers.
 */
import { Problem } from "@hearsay/api";

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value has the schema's shape. Facts that the schema does not name are let through. */
export function conforms(schema: unknown, value: unknown): boolean {
  if (!isObject(schema)) return false;
  const { anyOf, type } = schema;
  if (Array.isArray(anyOf)) return anyOf.some((option) => conforms(option, value));
  if ("const" in schema) return schema["const"] === value;
  switch (type) {
    case "string":
      return typeof value === "string";
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value) && value.every((item) => conforms(schema["items"], item));
    case "object":
      return isObject(value) && objectConforms(schema, value);
    default:
      return false;
  }
}

function objectConforms(schema: Json, value: Json): boolean {
  const { properties, required } = schema;
  if (Array.isArray(required)) {
    for (const name of required) if (!Object.hasOwn(value, name)) return false;
  }
  if (!isObject(properties)) return true;
  for (const name in properties) {
    const field = value[name];
    if (field !== undefined && !conforms(properties[name], field)) return false;
  }
  return true;
}

export class AnswerUnreadable extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "AnswerUnreadable";
  }
}

/** A guard for one schema of the contract; `T` is the type of the same name. */
export function guard<T>(schema: unknown): (value: unknown) => value is T {
  return (value): value is T => conforms(schema, value);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws AnswerUnreadable when the text is no JSON or has another shape */
export function parseAs<T>(text: string | Uint8Array, has: (value: unknown) => value is T): T {
  let value: unknown;
  try {
    value = JSON.parse(typeof text === "string" ? text : decoder.decode(text));
  } catch {
    throw new AnswerUnreadable("it is not JSON");
  }
  if (!has(value)) throw new AnswerUnreadable("its JSON has another shape than the contract says");
  return value;
}

const isProblem = guard<Problem>(Problem);

/** Undefined when the body describes no problem. */
export function parseProblem(body: Uint8Array): Problem | undefined {
  try {
    return parseAs(body, isProblem);
  } catch (error) {
    if (error instanceof AnswerUnreadable) return undefined;
    throw error;
  }
}
