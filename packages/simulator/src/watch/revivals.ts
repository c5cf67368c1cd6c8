/**
 * What comes back when every counted member is in doubt. Nobody knows then what was purged, and they agree on what they have
 * (docs/protocol.md, *How a node becomes complete*; docs/decisions/0002).
 */
import { holds, type KeyRecord, type Version } from "@hearsay/core";
import type { Machine } from "../cluster/machine.ts";
import type { Watcher } from "./watcher.ts";

const AGREED = "complete_by_agreement";

/**
 * A machine logs something. If it is that it has become complete by agreement, what covered what it holds at or below its floor
 * is undone, unless a counted member knows better.
 */
export function noteRevivals({ ledger, replicas }: Watcher, machine: Machine, event: string): void {
  if (event !== AGREED) return;
  const { membership, standing } = machine.running;
  const counted = new Set(membership.counted().ids);
  const judges = [...replicas.values()].filter(
    ({ id, machine: { member } }) => counted.has(id) && member?.standing.complete === true,
  );
  for (const [key, { siblings }] of replicas.get(machine.name)?.records ?? []) {
    for (const { version } of siblings) {
      if (!judges.every(({ records }) => isHeld(records.get(key), version))) continue;
      for (const later of ledger.find(version)?.superseders.all() ?? [])
        if (later.version.time <= standing.floor) later.isUndone = true;
    }
  }
}

function isHeld(record: KeyRecord | undefined, version: Version): boolean {
  return record !== undefined && holds(record, version);
}
