/** What a salvage can leave of a key: nothing but its entry in quarantine, or an old such entry that had been removed. */
import { encodeUtf8 } from "@hearsay/core";
import type { Machine } from "../cluster/machine.ts";
import type { DiskEntry } from "../disk/contents.ts";
import type { Operation } from "../disk/disk-handle.ts";
import type { Fault } from "../plan/actions.ts";
import type { Watcher } from "../watch/watcher.ts";

const RECORD_SPACE = 0x72;
const INDEX_SPACE = 0x69;
const QUARANTINE_SPACE = 0x71;
/** Bytes before the user's key. */
const PREFIX = { [RECORD_SPACE]: 1, [INDEX_SPACE]: 3, [QUARANTINE_SPACE]: 1 } as const;
/** Keys whose record goes with its index entry; keys that were purged or dropped before; the others still have both. */
const LOST_SHARE = 0.4;
const PURGED_SHARE = 0.4;
/** Of these, keys that nobody writes any more, as most that were purged are. */
const QUIET_SHARE = 0.5;
const QUIET_KEY = "quiet";
const NOTHING = new Uint8Array(0);

/**
 * Directory and doubt are as after a salvage.
 * @returns whether there was such a key
 */
export async function leaveInQuarantine(machine: Machine, fault: Fault, watcher: Watcher): Promise<boolean> {
  const { other, strength } = fault;
  const isLost = other < LOST_SHARE;
  const isPurged = !isLost && other < LOST_SHARE + PURGED_SHARE;
  let left: string | undefined;
  await machine.disk.change((entries) => {
    const held = new Set(keysIn(entries, RECORD_SPACE));
    const quarantined = new Set(keysIn(entries, QUARANTINE_SPACE));
    const known = strength < QUIET_SHARE ? [QUIET_KEY] : watcher.ledger.keys();
    const candidates = isPurged ? [...known].filter((key) => !held.has(key)) : [...held];
    const keys = candidates.filter((key) => !quarantined.has(key)).sort();
    const key = keys[Math.floor(strength * keys.length)];
    left = key;
    if (key === undefined) return [];
    const gone = isLost ? entries.map(([at]) => at).filter((at) => textOf(at) === key) : [];
    return [...gone.map((at): Operation => ({ key: at, value: undefined })), quarantine(key)];
  });
  if (left === undefined) return false;
  machine.disk.flips += 1;
  machine.disk.directory += 1;
  if (isLost || isPurged) watcher.replica(machine).damaged(left);
  return true;
}

function quarantine(key: string): Operation {
  return { key: Uint8Array.of(QUARANTINE_SPACE, ...encodeUtf8(key)), value: NOTHING };
}

function keysIn(entries: readonly DiskEntry[], space: number): string[] {
  return entries.filter(([at]) => at[0] === space).flatMap(([at]) => textOf(at) ?? []);
}

/** The user's key of an entry that is about one; undefined of others. */
function textOf(entry: Uint8Array): string | undefined {
  const [space] = entry;
  if (space !== RECORD_SPACE && space !== INDEX_SPACE && space !== QUARANTINE_SPACE) return undefined;
  return String.fromCharCode(...entry.subarray(PREFIX[space]));
}
