import { leaveIdsBehind } from "../identity.ts";
import type { MetaStore } from "../ports.ts";
import { forgetWhereLetIn } from "./stored-completeness.ts";
import { emptyTable } from "./stored-table.ts";

/**
 * Cuts a directory that is in doubt off from its cluster: as a new incarnation it begins one of its own with what it holds, where it
 * is started without an address to join, or enters another one. Settles when that is durable.
 *
 * Invariant: the table of what is begun names no id of the cluster that was, neither of a member nor of this directory. So if any
 * of the others still run, each takes the other for what it is (docs/protocol.md, *Two clusters of one name*).
 */
export async function beginAnew(meta: MetaStore): Promise<void> {
  // In one turn, and so in one batch.
  await Promise.all([leaveIdsBehind(meta), emptyTable(meta), forgetWhereLetIn(meta)]);
}
