/** What a schema finds wrong, in words for whoever sent it. */
import type { Schema } from "@hearsay/api";

/** What typebox tells of one fault; the keyword says which params there are. */
interface SchemaError {
  readonly keyword: string;
  /** A JSON pointer (RFC 6901). */
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

/**
 * One sentence about the fault that is most likely meant: a name that does not exist before anything else.
 * @param what one thing the schema has a name for: a parameter, a field
 */
export function schemaFault(errors: readonly SchemaError[], schema: Schema<unknown>, what: string): string {
  // A name too many is told as a schema that lets nothing through.
  const first = errors.find(({ keyword }) => keyword === "boolean") ?? errors[0];
  if (first === undefined) return "It has another form than the description says.";
  const path = first.instancePath.slice(1);
  switch (first.keyword) {
    case "boolean":
      return unknownName(path, schema, what);
    case "required": {
      const names = "requiredProperties" in first.params ? String(first.params.requiredProperties) : "";
      return `"${path === "" ? "" : `${path}/`}${names}" is missing.`;
    }
    case "const":
      return `"${path}" is ${allowed(errors, first.instancePath).join(" or ")}.`;
    default:
      return path === "" ? `The body ${first.message}.` : `"${path}" ${first.message}.`;
  }
}

function unknownName(path: string, schema: Schema<unknown>, what: string): string {
  const known =
    !path.includes("/") && "properties" in schema && typeof schema.properties === "object"
      ? Object.keys(schema.properties ?? {})
      : [];
  const others = known.length === 0 ? "" : `; there are ${known.join(", ")}`;
  return `There is no ${what} "${path}" here${others}.`;
}

function allowed(errors: readonly SchemaError[], instancePath: string): string[] {
  return errors.flatMap((error) =>
    error.instancePath === instancePath && "allowedValue" in error.params
      ? [JSON.stringify(error.params.allowedValue)]
      : [],
  );
}
