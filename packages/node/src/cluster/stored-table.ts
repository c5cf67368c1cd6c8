/** The member table as it survives a restart. */
import { encodeUtf8, isNodeId, isWellFormed, type Member, type NodeId } from "@hearsay/core";
import { IdentityError } from "../identity.ts";
import type { MetaStore } from "../ports.ts";
import { parseJson } from "../stored-json.ts";

const META_NAME = "members";

export interface StoredTable {
  readonly members: readonly Member[];
  readonly retired: readonly NodeId[];
}

/** Settles when the table is durable. */
export async function storeTable(meta: MetaStore, table: StoredTable): Promise<void> {
  await meta.put(META_NAME, encodeUtf8(JSON.stringify(table)));
}

/**
 * A table of which a part is lost is none: a member that is not counted is one that a watermark passes over.
 * @throws IdentityError `membership_unreadable`
 */
export function readTable(meta: MetaStore): StoredTable {
  const stored = meta.get(META_NAME);
  if (stored === undefined) return { members: [], retired: [] };
  const parsed = parseJson(stored);
  const { members, retired }: Partial<Record<keyof StoredTable, unknown>> =
    typeof parsed === "object" && parsed !== null ? parsed : {};
  const isReadable =
    Array.isArray(members) && members.every(isMember) && Array.isArray(retired) && retired.every(isRetiredId);
  if (!isReadable) throw new IdentityError({ code: "membership_unreadable" });
  return { members, retired };
}

function isRetiredId(value: unknown): value is NodeId {
  return typeof value === "string" && isNodeId(value);
}

function isMember(value: unknown): value is Member {
  if (typeof value !== "object" || value === null) return false;
  const { id, address, generation, state, zone, protocol, build } = value as Partial<
    Record<keyof Member, unknown>
  >;
  return (
    [id, address, zone, build].every((text) => typeof text === "string") &&
    typeof generation === "number" &&
    ["alive", "suspect", "dead", "stopped"].includes(String(state)) &&
    typeof protocol === "object" &&
    protocol !== null &&
    isWellFormed(value as Member)
  );
}
