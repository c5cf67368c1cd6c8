/** Siblings that fall off, because a record keeps only so many, or by policy only the newest. */
import { compareVersions, covers, type KeyRecord, winner } from "@hearsay/core";
import type { Write, WriteLedger } from "../invariants/ledger.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

/** A record that has as many siblings as are kept may have lost those that are older than all of them. */
export function markFallen(ledger: WriteLedger, key: string, record: KeyRecord): void {
  const oldest = record.siblings.at(-1)?.version ?? winner(record).version;
  for (const write of ledger.of(key)) {
    if (write.isDropped) continue;
    if (compareVersions(write.version, oldest) < 0 && covers(record.context, write.version))
      write.isDropped = true;
  }
}

/** Whether a replica need not know of a write: it fell off, and the replica has seen a later one, which may be all that was left. */
export function hasFallenFor(
  ledger: WriteLedger,
  { key, version, isDropped }: Write,
  by: ReplicaWatch,
): boolean {
  if (!isDropped) return false;
  return ledger
    .of(key)
    .some((later) => compareVersions(later.version, version) > 0 && by.hadSeen(key, later.version));
}
