/** What has to be written so that the keys below a prefix are as the files are. Pure. */
import { LIMITS } from "@hearsay/api";
import { AgentError } from "../fault.ts";
import type { KeyedFiles } from "./read-directory.ts";

export interface HeldKey {
  readonly value: Uint8Array;
  readonly contentType: string;
  /** Of the winner. */
  readonly version: string;
  /** Values beside the winner. */
  readonly conflicts: number;
  /** ISO 8601; undefined: never. */
  readonly expiresAt: string | undefined;
}

export type Change =
  | {
      readonly kind: "create";
      readonly key: string;
      readonly value: Uint8Array;
      readonly contentType: string;
    }
  | {
      readonly kind: "update";
      readonly key: string;
      readonly before: HeldKey;
      readonly value: Uint8Array;
      readonly contentType: string;
    }
  | { readonly kind: "delete"; readonly key: string; readonly before: HeldKey };

export interface Plan {
  /** Puts in the order of the keys, then deletes. */
  readonly changes: readonly Change[];
  readonly unchanged: number;
  /** Keys below the prefix without a file, which stay as nobody asked to prune. */
  readonly left: number;
}

/** @param prune whether keys without a file are deleted */
export function planOf(files: KeyedFiles, held: ReadonlyMap<string, HeldKey>, prune: boolean): Plan {
  const puts: Change[] = [];
  let unchanged = 0;
  for (const [key, value] of files) {
    const before = held.get(key);
    const contentType = contentTypeOf(key, value);
    if (before === undefined) puts.push({ kind: "create", key, value, contentType });
    else if (isSame(before, value, contentType)) unchanged += 1;
    else puts.push({ kind: "update", key, before, value, contentType });
  }
  const extra = [...held].filter(([key]) => !files.has(key));
  if (!prune) return { changes: puts, unchanged, left: extra.length };
  const deletes = extra.map(([key, before]): Change => ({ kind: "delete", key, before }));
  return { changes: [...puts, ...deletes], unchanged, left: 0 };
}

/**
 * @param maxDeletePercent of the keys below the prefix, that may be deleted; 100 is all
 * @throws AgentError `mass_deletion`
 */
export function guardDeletes({ changes, unchanged }: Plan, maxDeletePercent: number): void {
  const count = (kind: Change["kind"]): number => changes.filter((change) => change.kind === kind).length;
  const deletes = count("delete");
  const keys = deletes + count("update") + unchanged;
  if (deletes * 100 > keys * maxDeletePercent) {
    throw new AgentError({ code: "mass_deletion", deletes, keys, maxDeletePercent });
  }
}

function isSame(
  { value: held, contentType: type, conflicts, expiresAt }: HeldKey,
  value: Uint8Array,
  contentType: string,
): boolean {
  // A file has no end: a value that expires is not as the file says.
  if (expiresAt !== undefined) return false;
  return conflicts === 0 && type === contentType && Buffer.compare(held, value) === 0;
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ["json", "application/json"],
  ["yaml", "application/yaml"],
  ["yml", "application/yaml"],
  ["xml", "application/xml"],
  ["html", "text/html; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
]);
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** By the name where it says it, else whether it is text. */
export function contentTypeOf(key: string, value: Uint8Array): string {
  const ending = /\.([a-z]+)$/.exec(key)?.[1] ?? "";
  try {
    strictUtf8.decode(value);
  } catch {
    return "application/octet-stream";
  }
  return TYPES.get(ending) ?? "text/plain; charset=utf-8";
}

/** Of keys and values in one batch; below the 8 MiB that nodes take by default, whatever the form. */
const BATCH_MAX_BYTES = 4 * 1024 * 1024;

/** The changes as batches, each atomic on its node. Deletes come last: whoever reads meanwhile misses nothing that stays. */
export function batchesOf(changes: readonly Change[]): readonly (readonly Change[])[] {
  const batches: Change[][] = [];
  let bytes = 0;
  for (const change of changes) {
    const weight = change.key.length * 3 + (change.kind === "delete" ? 0 : change.value.length);
    const current = batches.at(-1);
    if (
      current === undefined ||
      current.length >= LIMITS.batchMaxOperations ||
      bytes + weight > BATCH_MAX_BYTES
    ) {
      batches.push([change]);
      bytes = weight;
    } else {
      current.push(change);
      bytes += weight;
    }
  }
  return batches;
}
