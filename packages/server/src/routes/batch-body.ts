/**
 * The body of `POST /kv`: decoded from JSON or MessagePack and checked. What the schema says is checked by hand, as a
 * compiled schema takes several times as long; the schema itself says what is wrong with a body that does not pass.
 */
import type { IncomingHttpHeaders } from "node:http";
import { BatchRequest, LIMITS, MEDIA_TYPES } from "@hearsay/api";
import { type ClientContext, keyFault } from "@hearsay/core";
import type { Content } from "@hearsay/node";
import { decodePlain, type ScanLimits } from "@hearsay/wire";
import { decodeJson, refuseDoubledNames } from "../http/json.ts";
import { ApiProblem } from "../http/problem.ts";
import { isContentType, parseSeen, parseTtl } from "../http/query.ts";
import { fromBase64 } from "../http/render.ts";
import { schemaFault } from "../http/schema-fault.ts";
import { validatorOf } from "../http/validator.ts";

const batchRequest = validatorOf(BatchRequest);

export interface WriteOperation {
  readonly op: "put" | "delete";
  readonly key: string;
  readonly content: Content;
  readonly seen: ClientContext | undefined;
}

export type CheckedOperation = WriteOperation | { readonly op: "get"; readonly key: string };

/** Values are base64 in JSON, and bytes in MessagePack. */
type ValueForm = "text" | "bytes";

export interface DecodedBody {
  readonly body: unknown;
  readonly values: ValueForm;
  /** Of JSON. The decoder of MessagePack refuses doubled names itself. */
  readonly text?: string;
}

export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

/** @throws ApiProblem `unsupported_media_type`; what it returns throws `invalid_body` */
export function bodyDecoder(
  headers: IncomingHttpHeaders,
  limits: BodyLimits,
): (bytes: Uint8Array) => DecodedBody {
  const encoding = headers["content-encoding"];
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? MEDIA_TYPES.json;
  if (encoding === undefined || encoding === "identity") {
    if (type === MEDIA_TYPES.json)
      return (bytes) => {
        const { text, value } = decodeJson(bytes);
        return { body: value, values: "text", text };
      };
    if (type === MEDIA_TYPES.msgpack)
      return (bytes) => ({ body: decodeMsgpack(bytes, limits), values: "bytes" });
  }
  throw new ApiProblem("unsupported_media_type", {
    detail: `A batch is ${MEDIA_TYPES.json} or ${MEDIA_TYPES.msgpack}, without Content-Encoding.`,
    headers: ["Accept-Encoding", "identity"],
  });
}

/** Members of the body, of an operation, and the operations' fields. */
const MSGPACK_MAX_DEPTH = 4;
const MSGPACK_MAX_ITEMS: number = 4 + LIMITS.batchMaxOperations * 16;

function decodeMsgpack(bytes: Uint8Array, limits: BodyLimits): unknown {
  const scanLimits: ScanLimits = {
    maxBytes: limits.maxBytes,
    maxDepth: MSGPACK_MAX_DEPTH,
    maxItems: MSGPACK_MAX_ITEMS,
    maxStringBytes: LIMITS.contextMaxBytes,
    maxBinaryBytes: limits.maxValueBytes,
    maps: "string_keys",
  };
  const decoded = decodePlain(bytes, scanLimits);
  if (!("fault" in decoded)) return decoded.value;
  throw new ApiProblem("invalid_body", {
    detail: `Not the MessagePack a batch is made of: ${decoded.fault.code} at byte ${decoded.fault.at}.`,
  });
}

/** @throws ApiProblem `invalid_body`, `invalid_key`, `invalid_context`, `body_too_large` */
export function checkedOperations(
  { body, values, text }: DecodedBody,
  maxValueBytes: number,
): CheckedOperation[] {
  const operations = operationsOf(body, values);
  if (operations === undefined) throw invalidBody(body, values);
  if (text !== undefined) refuseDoubledNames({ text, value: body });
  return operations.map((operation, i) => checkedOperation(operation, `operations[${i}]`, maxValueBytes));
}

type RawOperation =
  | {
      readonly op: "put";
      readonly key: string;
      readonly value: string | Uint8Array;
      readonly contentType?: string;
      readonly ttl?: string;
      readonly context?: string;
    }
  | { readonly op: "delete"; readonly key: string; readonly context?: string }
  | { readonly op: "get"; readonly key: string };

/** Undefined where the schema would not let the body through. */
export function operationsOf(body: unknown, values: ValueForm): readonly RawOperation[] | undefined {
  if (typeof body !== "object" || body === null || !("operations" in body)) return undefined;
  const { operations } = body;
  if (!Array.isArray(operations) || Object.keys(body).length !== 1) return undefined;
  if (operations.length < 1 || operations.length > LIMITS.batchMaxOperations) return undefined;
  return operations.every((operation: unknown) => isOperation(operation, values)) ? operations : undefined;
}

/** Whether it is one of the three operations, with their fields and no others. */
function isOperation(operation: unknown, values: ValueForm): operation is RawOperation {
  if (typeof operation !== "object" || operation === null || Array.isArray(operation)) return false;
  if (!("op" in operation) || !("key" in operation) || typeof operation.key !== "string") return false;
  const { op } = operation;
  let fields = 2;
  if (op === "put") {
    if (!("value" in operation) || !isValue(operation.value, values)) return false;
    fields += 1;
    for (const name of PUT_OPTIONS) {
      if (!(name in operation)) continue;
      if (typeof Reflect.get(operation, name) !== "string") return false;
      fields += 1;
    }
  } else if (op === "delete") {
    if ("context" in operation) {
      if (typeof operation.context !== "string") return false;
      fields += 1;
    }
  } else if (op !== "get") return false;
  for (const _name in operation) fields -= 1;
  return fields === 0;
}

const PUT_OPTIONS = ["contentType", "ttl", "context"] as const;

function isValue(value: unknown, form: ValueForm): value is string | Uint8Array {
  return form === "text" ? typeof value === "string" : value instanceof Uint8Array;
}

/** What the schema finds wrong, which is that of JSON. */
function invalidBody(body: unknown, values: ValueForm): ApiProblem {
  const shown = values === "text" ? body : withTextValues(body);
  const [, faults] = batchRequest.Errors(shown);
  const detail = schemaFault(faults, BatchRequest, "field");
  return new ApiProblem("invalid_body", { detail });
}

/** The same body with values as JSON carries them, so that one schema serves both forms. */
export function withTextValues(body: unknown): unknown {
  if (typeof body !== "object" || body === null || !("operations" in body) || !Array.isArray(body.operations))
    return body;
  const operations = body.operations.map((operation: unknown) => {
    if (typeof operation !== "object" || operation === null || !("value" in operation)) return operation;
    const { value } = operation;
    return {
      ...operation,
      value: value instanceof Uint8Array ? Buffer.from(value).toString("base64") : null,
    };
  });
  return { ...body, operations };
}

function checkedOperation(operation: RawOperation, place: string, maxValueBytes: number): CheckedOperation {
  const { key } = operation;
  const fault = keyFault(key);
  if (fault !== undefined)
    throw new ApiProblem("invalid_key", { detail: `${place}.key is ${fault.replaceAll("_", " ")}.` });
  if (operation.op === "get") return { op: "get", key };
  const seen = parseSeen(operation.context);
  if (operation.op === "delete") return { op: "delete", key, seen, content: { kind: "tombstone" } };
  const { value } = operation;
  const bytes = typeof value === "string" ? fromBase64(value) : value;
  if (bytes === undefined) throw new ApiProblem("invalid_body", { detail: `${place}.value is not base64.` });
  if (bytes.length > maxValueBytes) {
    throw new ApiProblem("body_too_large", {
      detail: `${place}.value is longer than ${maxValueBytes} bytes (limits.maxValueBytes).`,
      members: { maxBytes: maxValueBytes },
    });
  }
  const contentType = operation.contentType ?? MEDIA_TYPES.octets;
  if (!isContentType(contentType)) {
    throw new ApiProblem("invalid_body", {
      detail: `${place}.contentType is longer than 255 bytes, or not printable.`,
    });
  }
  return {
    op: "put",
    key,
    seen,
    content: { kind: "value", bytes, contentType, ttlMs: parseTtl(operation.ttl, "invalid_body") },
  };
}
