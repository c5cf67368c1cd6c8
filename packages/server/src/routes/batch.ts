/**
 * `POST /kv`: several operations at once. Everything is checked first; then all reads and writes happen in one
 * synchronous turn, which the store commits as one batch. Reads see what was committed before the batch.
 */
import {
  type BatchOperation,
  type BatchOutcome,
  BatchRequest,
  type BatchResult,
  LIMITS,
  MEDIA_TYPES,
  WriteQuery,
} from "@hearsay/api";
import {
  type ClientContext,
  formatClientContext,
  formatVersion,
  keyFault,
  type Version,
  winner,
} from "@hearsay/core";
import type { Content, Written } from "@hearsay/node";
import { decodePlain, type ScanLimits } from "@hearsay/wire";
import { Compile } from "typebox/compile";
import { readBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import { type AckWish, isContentType, parseAck, parseSeen, parseTtl, queryValidator } from "../http/query.ts";
import { fromBase64, listItem, recordContext } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

const writeQuery = queryValidator(WriteQuery);
const batchRequest = Compile(BatchRequest);

interface WriteOperation {
  readonly op: "put" | "delete";
  readonly key: string;
  readonly content: Content;
  readonly seen: ClientContext | undefined;
}

type CheckedOperation = WriteOperation | { readonly op: "get"; readonly key: string };

export function postBatch(services: Services, exchange: Exchange): void {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const query = targetQuery(exchange.target);
  writeQuery.check(query);
  if (query.has("key") || query.has("ttl")) {
    throw new ApiProblem("invalid_query", { detail: "Keys and ttl stand in the operations of a batch." });
  }
  const ack = parseAck(query, services.cluster.size);
  const decode = decoderFor(exchange, services);
  const limit = { maxBytes: services.settings["limits.maxBatchBytes"], knob: "limits.maxBatchBytes" };
  readBody(exchange.raw, limit, services.budget, (problem, bytes, taken) => {
    if (problem !== undefined) {
      exchange.fail(problem);
      return;
    }
    runBatch(services, () => checkedOperations(services, decode(bytes)), ack)
      .then(
        (result) => exchange.json(200, result),
        (error: unknown) => exchange.fail(error),
      )
      .finally(() => services.budget.release(taken));
  });
}

function decoderFor(exchange: Exchange, services: Services): (bytes: Uint8Array) => unknown {
  const encoding = exchange.headers["content-encoding"];
  const type = exchange.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? MEDIA_TYPES.json;
  if (encoding === undefined || encoding === "identity") {
    if (type === MEDIA_TYPES.json) return decodeJson;
    if (type === MEDIA_TYPES.msgpack) return (bytes) => decodeMsgpack(bytes, services);
  }
  throw new ApiProblem("unsupported_media_type", {
    detail: `A batch is ${MEDIA_TYPES.json} or ${MEDIA_TYPES.msgpack}, without Content-Encoding.`,
    headers: ["Accept-Encoding", "identity"],
  });
}

function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ApiProblem("invalid_body", {
      detail: `Not JSON: ${error instanceof Error ? error.message : ""}`,
    });
  }
}

/** Members of the body, of an operation, and the operations' fields. */
const MSGPACK_MAX_DEPTH = 4;
const MSGPACK_MAX_ITEMS: number = 4 + LIMITS.batchMaxOperations * 16;

function decodeMsgpack(bytes: Uint8Array, services: Services): unknown {
  const limits: ScanLimits = {
    maxBytes: services.settings["limits.maxBatchBytes"],
    maxDepth: MSGPACK_MAX_DEPTH,
    maxItems: MSGPACK_MAX_ITEMS,
    maxStringBytes: LIMITS.contextMaxBytes,
    maxBinaryBytes: services.settings["limits.maxValueBytes"],
    maps: "string_keys",
  };
  const decoded = decodePlain(bytes, limits);
  if (!("fault" in decoded)) return withTextValues(decoded.value);
  throw new ApiProblem("invalid_body", {
    detail: `Not the MessagePack a batch is made of: ${decoded.fault.code} at byte ${decoded.fault.at}.`,
  });
}

/** MessagePack carries values as they are; the schema is that of JSON, where they are base64. */
function withTextValues(body: unknown): unknown {
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

function checkedOperations(services: Services, body: unknown): CheckedOperation[] {
  if (!batchRequest.Check(body)) {
    const first = batchRequest.Errors(body)[0];
    throw new ApiProblem("invalid_body", {
      detail: `${first?.instancePath || "The body"} ${first?.message}.`,
    });
  }
  return body.operations.map((operation, i) => checkedOperation(services, operation, `operations[${i}]`));
}

function checkedOperation(services: Services, operation: BatchOperation, place: string): CheckedOperation {
  const { op, key } = operation;
  const fault = keyFault(key);
  if (fault !== undefined)
    throw new ApiProblem("invalid_key", { detail: `${place}.key is ${fault.replaceAll("_", " ")}.` });
  if (op === "get") return { op, key };
  const seen = parseSeen(operation.context);
  if (op === "delete") return { op, key, seen, content: { kind: "tombstone" } };
  const bytes = fromBase64(operation.value);
  if (bytes === undefined) throw new ApiProblem("invalid_body", { detail: `${place}.value is not base64.` });
  const maxBytes = services.settings["limits.maxValueBytes"];
  if (bytes.length > maxBytes) {
    throw new ApiProblem("body_too_large", {
      detail: `${place}.value is longer than ${maxBytes} bytes (limits.maxValueBytes).`,
      members: { maxBytes },
    });
  }
  const contentType = operation.contentType ?? MEDIA_TYPES.octets;
  if (!isContentType(contentType)) {
    throw new ApiProblem("invalid_body", {
      detail: `${place}.contentType is longer than 255 bytes, or not printable.`,
    });
  }
  return {
    op,
    key,
    seen,
    content: { kind: "value", bytes, contentType, ttlMs: parseTtl(operation.ttl, "invalid_body") },
  };
}

async function runBatch(
  services: Services,
  check: () => CheckedOperation[],
  ack: AckWish | undefined,
): Promise<BatchResult> {
  const operations = check();
  const results = operations.map((operation) => before(services, operation));
  const commits: Promise<void>[] = [];
  const writes: KeyVersion[] = [];
  try {
    for (const [i, operation] of operations.entries()) {
      if (operation.op === "get") continue;
      const written = services.node.write(operation.key, operation.content, operation.seen);
      if ("code" in written) throw clockDrift(written);
      commits.push(written.committed);
      writes.push({ key: operation.key, version: written.version });
      results[i] = writeOutcome(operation, written);
    }
  } catch (error) {
    await Promise.allSettled(commits);
    throw error;
  }
  await within(Promise.all(commits), ack);
  await handOn(services, writes, ack);
  return { results: results.filter((result) => result !== undefined) };
}

interface KeyVersion {
  readonly key: string;
  readonly version: Version;
}

/** Hands committed writes on to the other members and, where that is asked for, waits until enough hold all of them. */
async function handOn(
  services: Services,
  writes: readonly KeyVersion[],
  ack: AckWish | undefined,
): Promise<void> {
  const { cluster } = services;
  if (ack === undefined || ack.needed <= 1) {
    for (const { key } of writes) cluster.spread(key);
    return;
  }
  const acknowledged = await Promise.all(
    writes.map(({ key, version }) => cluster.acknowledged(key, version, ack.needed, ack.timeoutMs)),
  );
  const acks = Math.min(...acknowledged.map(({ holders }) => holders));
  if (acks < ack.needed) throw new ApiProblem("ack_timeout", { members: { acks } });
}

/** Answers a read, and throws what would stop a write: nothing may be written before all of it is known to be possible. */
function before(services: Services, operation: CheckedOperation): BatchOutcome | undefined {
  if (operation.op === "get") return readOutcome(services, operation.key);
  const drift = operation.seen === undefined ? undefined : services.node.observeContext(operation.seen);
  if (drift !== undefined) throw clockDrift(drift);
  services.node.latest(operation.key);
  return undefined;
}

function readOutcome(services: Services, key: string): BatchOutcome {
  const record = services.node.get(key);
  if (record === undefined) return { op: "get", key, found: false, deleted: false };
  const item = listItem(key, record, { nowMs: services.clock.nowMs(), values: true });
  const context = recordContext(record);
  if (item?.value === undefined) {
    return {
      op: "get",
      key,
      found: false,
      deleted: true,
      version: formatVersion(winner(record).version),
      context,
    };
  }
  return { op: "get", found: true, context, ...item, value: item.value };
}

function writeOutcome(operation: WriteOperation, written: Written): BatchOutcome {
  return {
    op: operation.op,
    key: operation.key,
    version: formatVersion(written.version),
    context: formatClientContext(written.context),
    acks: 1,
  };
}

/** @throws ApiProblem `ack_timeout` when it takes longer than was asked for */
async function within(committed: Promise<unknown>, ack: AckWish | undefined): Promise<void> {
  if (ack === undefined) {
    await committed;
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiProblem("ack_timeout", { members: { acks: 0 } })), ack.timeoutMs);
  });
  try {
    await Promise.race([committed, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
