/** Entries that go from a disk while its node is down, as by a mistake of the database or below it. */
import type { Machine } from "../cluster/machine.ts";
import type { Fault } from "../plan/actions.ts";
import type { Watcher } from "../watch/watcher.ts";

const RECORD_SPACE = 0x72;
const INDEX_SPACE = 0x69;
const GRAVEYARD_SPACE = 0x74;
/** Bytes before the user's key. */
const PREFIX = { [RECORD_SPACE]: 1, [INDEX_SPACE]: 3, [GRAVEYARD_SPACE]: 9 } as const;
/** Of lone entries those of records; the others are of the index, which the record makes good. */
const RECORD_SHARE = 0.5;

/** @returns whether there was one */
export async function loseEntry(machine: Machine, fault: Fault, watcher: Watcher): Promise<boolean> {
  const isSilent = fault.fault === "silent_loss";
  const space = isSilent || fault.other < RECORD_SHARE ? RECORD_SPACE : INDEX_SPACE;
  const lost = await machine.disk.lose(
    (key) => key[0] === space,
    (entry, key) => isSilent && textOf(key) !== undefined && textOf(key) === textOf(entry),
  );
  const key = lost === undefined ? undefined : textOf(lost);
  if (key === undefined) return false;
  if (isSilent) watcher.losses.lost(machine, key);
  else if (space === RECORD_SPACE) {
    machine.disk.flips += 1;
    watcher.replica(machine).damaged(key);
  }
  return true;
}

/** The user's key of an entry that is about one; undefined of others. */
function textOf(entry: Uint8Array): string | undefined {
  const [space] = entry;
  if (space !== RECORD_SPACE && space !== INDEX_SPACE && space !== GRAVEYARD_SPACE) return undefined;
  return String.fromCharCode(...entry.subarray(PREFIX[space]));
}
