/**
 * Whether the keys of a batch still are as its plan has them.
 *
 * They are read just before the write. One that is neither as it was planned nor as it is wanted is a conflict, and nothing
 * of the batch is written. What is written carries the context of that reading, so it covers what was read and nothing
 * else: what comes in between, or is on its way from another node, stays beside it as a concurrent value.
 */
import type { BatchOutcome } from "@hearsay/api";
import { type Client, fromBase64, HearsayError, type Operation } from "@hearsay/client";
import { AgentError } from "../fault.ts";
import type { Change } from "./plan.ts";

export type Seen = Extract<BatchOutcome, { readonly op: "get" }>;

export interface KeyVersion {
  readonly key: string;
  readonly version: string;
}

export interface Guarded {
  readonly operations: readonly Operation[];
  /** What is as it is wanted already: written by an attempt whose answer was lost, or by somebody of the same mind. */
  readonly done: readonly KeyVersion[];
}

/** @param written keys of the batches before, for the error. @throws AgentError `apply_conflict` */
export function guarded(
  changes: readonly Change[],
  seen: ReadonlyMap<string, Seen>,
  written: number,
): Guarded {
  const operations: Operation[] = [];
  const done: KeyVersion[] = [];
  const conflicts: string[] = [];
  for (const change of changes) {
    const { key } = change;
    const found = seen.get(key);
    if (found === undefined) conflicts.push(key);
    else if (isWanted(change, found)) {
      if (found.version !== undefined) done.push({ key, version: found.version });
    } else if (isPlanned(change, found)) operations.push(operationOf(change, found.context ?? ""));
    else conflicts.push(key);
  }
  if (conflicts.length > 0) throw new AgentError({ code: "apply_conflict", keys: conflicts, written });
  return { operations, done };
}

function isPlanned(change: Change, found: Seen): boolean {
  if (change.kind === "create") return !found.found;
  const { version, conflicts } = change.before;
  return found.found && found.version === version && (found.conflicts ?? 0) === conflicts;
}

function isWanted(change: Change, found: Seen): boolean {
  if (change.kind === "delete") return !found.found;
  if (!found.found || found.conflicts !== undefined || found.expiresAt !== undefined) return false;
  if (found.contentType !== change.contentType) return false;
  return Buffer.compare(fromBase64(found.value), change.value) === 0;
}

function operationOf(change: Change, context: string): Operation {
  const { key } = change;
  if (change.kind === "delete") return { op: "delete", key, context };
  return { op: "put", key, value: change.value, contentType: change.contentType, context };
}

/** Of values that are read in one batch, as far as they are known; below what a node answers with at once by default. */
const READ_MAX_BYTES = 2 * 1024 * 1024;

/** The keys of the changes as a node holds them. */
export async function seenBy(
  client: Pick<Client, "batch">,
  changes: readonly Change[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Seen>> {
  const seen = new Map<string, Seen>();
  for (const some of groupsOf(changes)) await readInto(seen, client, some, signal);
  return seen;
}

function groupsOf(changes: readonly Change[]): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const change of changes) {
    const size = change.kind === "create" ? 0 : change.before.value.length;
    if (bytes + size > READ_MAX_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(change.key);
    bytes += size;
  }
  return groups;
}

/** A node that gives away less at once, or holds more than was planned with, gets smaller batches. */
async function readInto(
  seen: Map<string, Seen>,
  client: Pick<Client, "batch">,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    const reads = keys.map((key) => ({ op: "get", key }) as const);
    for (const result of await client.batch(reads, { signal })) {
      if (result.op === "get") seen.set(result.key, result);
    }
  } catch (error) {
    const isTooMuch = error instanceof HearsayError && error.code === "body_too_large" && keys.length > 1;
    if (!isTooMuch) throw error;
    const half = keys.length >> 1;
    await readInto(seen, client, keys.slice(0, half), signal);
    await readInto(seen, client, keys.slice(half), signal);
  }
}
