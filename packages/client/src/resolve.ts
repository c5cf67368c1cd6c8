/** Ending a conflict: one write that supersedes exactly the siblings it was decided upon. */
import type { SiblingItem, SiblingList, WriteResult } from "@hearsay/api";
import { fromBase64 } from "./batch.ts";
import { HearsayError } from "./fault.ts";
import type { DeleteOptions, PutOptions, ReadOptions } from "./options.ts";

/** What the key shall be. */
export type Resolution =
  /** One of the siblings, as it is: bytes, type and expiry; a tombstone, or one whose time is over, deletes. */
  | { readonly kind: "take"; readonly version: string }
  | {
      readonly kind: "put";
      readonly value: Uint8Array | string;
      readonly contentType?: string | undefined;
      readonly ttlMs?: number | undefined;
    }
  | { readonly kind: "delete" };

export interface ResolveCalls {
  siblings(key: string, options: ReadOptions): Promise<SiblingList>;
  put(key: string, value: Uint8Array | string, options: PutOptions): Promise<WriteResult>;
  delete(key: string, options: DeleteOptions): Promise<WriteResult>;
  nowMs(): number;
}

/**
 * What was written between the reading and the write stays beside the result, as a conflict of its own.
 * @throws HearsayError `no_such_sibling` when the version to take is none of them
 */
export async function resolveKey(
  calls: ResolveCalls,
  key: string,
  choose: (list: SiblingList) => Resolution | Promise<Resolution>,
  options: Pick<PutOptions, "signal" | "timeoutMs" | "ack" | "ackTimeoutMs"> = {},
): Promise<WriteResult> {
  const list = await calls.siblings(key, { signal: options.signal, timeoutMs: options.timeoutMs });
  const resolution = await choose(list);
  const write = { ...options, context: list.context };
  switch (resolution.kind) {
    case "delete":
      return await calls.delete(key, write);
    case "put": {
      const { value, contentType, ttlMs } = resolution;
      return await calls.put(key, value, { ...write, contentType, ttlMs });
    }
    case "take":
      return await take(calls, list, resolution.version, write);
  }
}

async function take(
  calls: ResolveCalls,
  { key, siblings }: SiblingList,
  version: string,
  write: PutOptions,
): Promise<WriteResult> {
  const sibling = siblings.find((candidate) => candidate.version === version);
  if (sibling === undefined) {
    throw new HearsayError({ code: "no_such_sibling", key, version }, { outcome: "none", attempts: 1 });
  }
  const ttlMs = leftMs(sibling, calls.nowMs());
  // The node has said whether its time was over; since then, and without that, this program's clock has to do.
  const isOver = sibling.expired === true || (ttlMs !== undefined && ttlMs <= 0);
  if (sibling.deleted || isOver) return await calls.delete(key, write);
  const { contentType } = sibling;
  return await calls.put(key, fromBase64(sibling.value ?? ""), { ...write, contentType, ttlMs });
}

function leftMs({ expiresAt }: SiblingItem, nowMs: number): number | undefined {
  return expiresAt === undefined ? undefined : Date.parse(expiresAt) - nowMs;
}
