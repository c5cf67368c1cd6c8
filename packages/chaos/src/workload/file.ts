/** Reads a workload file, YAML or JSON. Everything is checked, and what is wrong is named by its place. */
import { parse } from "yaml";
import { DEFAULT_WORKLOAD, type KeyRange, type OperationSpec, type WorkloadSpec } from "./spec.ts";

export class WorkloadError extends Error {
  readonly fault: { readonly code: "bad_workload"; readonly place: string };
  readonly next: string = "docs/chaos.md has a whole workload file to start from.";

  constructor(place: string, reason: string) {
    super(`workload: ${place === "" ? "" : `${place} `}${reason}`);
    this.name = "WorkloadError";
    this.fault = { code: "bad_workload", place };
  }
}

type Fields = Readonly<Record<string, unknown>>;

const SESSIONS_MAX = 256;
const RATE_MAX = 10_000;
const OPERATIONS_MAX = 100;
const KEYS_MAX = 100_000;
const BYTES_MAX = 1024 * 1024;
const WEIGHT_MAX = 1_000_000;
const TTL_MAX_MS = 3_600_000;
const ACKS_MAX = 1_000;

/** @throws WorkloadError */
export function parseWorkload(text: string): WorkloadSpec {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new WorkloadError(
      "",
      `is neither YAML nor JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const fields = fieldsOf(value, "the file", [
    "sessions",
    "ratePerSecond",
    "moveEvery",
    "bytes",
    "operations",
  ]);
  const bytes = fields["bytes"] === undefined ? undefined : bytesOf(fields["bytes"], "bytes");
  return {
    sessions: wholeOf(fields, "sessions", { min: 1, max: SESSIONS_MAX }) ?? DEFAULT_WORKLOAD.sessions,
    ratePerSecond:
      numberOf(fields, "ratePerSecond", { min: 0.01, max: RATE_MAX }) ?? DEFAULT_WORKLOAD.ratePerSecond,
    moveEvery: numberOf(fields, "moveEvery", { min: 1, max: WEIGHT_MAX }) ?? DEFAULT_WORKLOAD.moveEvery,
    operations: operationsOf(fields["operations"], bytes),
  };
}

function operationsOf(value: unknown, bytes: OperationSpec["bytes"] | undefined): readonly OperationSpec[] {
  if (value === undefined) {
    const { operations } = DEFAULT_WORKLOAD;
    return bytes === undefined ? operations : operations.map((one) => ({ ...one, bytes }));
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > OPERATIONS_MAX)
    throw new WorkloadError("operations", `is a list of 1 to ${OPERATIONS_MAX} operations`);
  return value.map((one: unknown, i) => operationOf(one, `operations[${i}]`, bytes ?? [16, 2_048]));
}

const FIELDS = ["do", "weight", "keys", "context", "ack", "ttlMs", "bytes"];

function operationOf(value: unknown, place: string, bytes: OperationSpec["bytes"]): OperationSpec {
  const fields = fieldsOf(value, place, FIELDS);
  const kind = choiceOf(fields["do"], ["put", "get", "delete", "receipt"], `${place}.do`);
  const keys = keysOf(fields["keys"] ?? (kind === "receipt" ? "last" : undefined), `${place}.keys`);
  const isWrite = kind === "put" || kind === "delete";
  for (const name of isWrite ? [] : ["context", "ack", "ttlMs"]) {
    if (fields[name] !== undefined) throw new WorkloadError(`${place}.${name}`, "is for writes only");
  }
  if (keys === "last" && isWrite) throw new WorkloadError(`${place}.keys`, "last is for get and receipt");
  if (keys !== "last" && kind === "receipt") throw new WorkloadError(`${place}.keys`, "of a receipt is last");
  if (keys === "once" && kind !== "put") throw new WorkloadError(`${place}.keys`, "once is for put");
  const ack = fields["ack"] === undefined ? undefined : ackOf(fields["ack"], `${place}.ack`);
  const ttlMs = numberOf(fields, "ttlMs", { min: 1, max: TTL_MAX_MS }, place);
  return {
    do: kind,
    keys,
    weight: numberOf(fields, "weight", { min: 0.001, max: WEIGHT_MAX }, place) ?? 1,
    context: choiceOf(fields["context"] ?? "none", ["none", "empty", "fresh", "stale"], `${place}.context`),
    ...(ack === undefined ? undefined : { ack }),
    ...(ttlMs === undefined ? undefined : { ttlMs }),
    bytes: fields["bytes"] === undefined ? bytes : bytesOf(fields["bytes"], `${place}.bytes`),
  };
}

function keysOf(value: unknown, place: string): OperationSpec["keys"] {
  if (value === "once" || value === "own" || value === "last") return value;
  const fields = fieldsOf(value, place, ["prefix", "count"]);
  const prefix = fields["prefix"];
  const count = wholeOf(fields, "count", { min: 1, max: KEYS_MAX }, place);
  if (typeof prefix !== "string" || prefix === "" || prefix.length > 256 || count === undefined)
    throw new WorkloadError(place, "is once, own, last, or { prefix: TEXT, count: NUMBER }");
  const range: KeyRange = { prefix, count };
  return range;
}

function bytesOf(value: unknown, place: string): readonly [number, number] {
  if (Array.isArray(value) && value.length === 2) {
    const [min, max]: unknown[] = value;
    if (isWithin(min, { min: 1, max: BYTES_MAX }) && isWithin(max, { min, max: BYTES_MAX }))
      return [min, max];
  }
  throw new WorkloadError(place, `is [LEAST, MOST], from 1 to ${BYTES_MAX} bytes`);
}

function ackOf(value: unknown, place: string): number | "quorum" | "all" {
  if (value === "quorum" || value === "all") return value;
  if (isWithin(value, { min: 1, max: ACKS_MAX }) && Number.isInteger(value)) return value;
  throw new WorkloadError(place, "is a whole number, quorum or all");
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function isWithin(value: unknown, { min, max }: Range): value is number {
  return typeof value === "number" && value >= min && value <= max;
}

function numberOf(fields: Fields, name: string, range: Range, place?: string): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (isWithin(value, range)) return value;
  const where = place === undefined ? name : `${place}.${name}`;
  throw new WorkloadError(where, `is a number from ${range.min} to ${range.max}`);
}

function wholeOf(fields: Fields, name: string, range: Range, place?: string): number | undefined {
  const value = numberOf(fields, name, range, place);
  if (value === undefined || Number.isInteger(value)) return value;
  throw new WorkloadError(place === undefined ? name : `${place}.${name}`, "is a whole number");
}

function choiceOf<T extends string>(value: unknown, choices: readonly T[], place: string): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new WorkloadError(place, `is one of ${choices.join(", ")}`);
  return found;
}

function fieldsOf(value: unknown, place: string, known: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new WorkloadError(place, `has the fields ${known.join(", ")}`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new WorkloadError(place, `has no field ${JSON.stringify(unknown)}; it has ${known.join(", ")}`);
  return { ...value };
}
