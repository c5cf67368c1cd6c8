/** Opens the store on what a power failure left, and looks whether it kept its promises. */
import type { StoreEvent } from "@hearsay/store";
import type { Loss } from "./loss.ts";
import type { Recording } from "./recording.ts";
import { type Durability, openStore, stampOf } from "./records.ts";

/** What the store held after a commit, by key the stamp of the newest write. */
export function heldAfter({ before, points }: Recording, commit: number): Map<string, number> {
  const held = new Map(before);
  for (const { written } of points.slice(0, commit + 1)) {
    for (const [key, stamp] of written) held.set(key, stamp);
  }
  return held;
}

export interface Survival {
  /** Acknowledged writes that are gone; each is among the violations. */
  readonly lost: number;
  /** Each a sentence about a broken promise. */
  readonly violations: readonly string[];
  /** Whether the commit under way was kept; it may be or not, but never in part. */
  readonly keptUnacknowledged: boolean;
  /** What the store holds now. */
  readonly held: ReadonlyMap<string, number>;
}

export async function survive(
  recording: Recording,
  loss: Loss,
  {
    directory,
    boot,
    durability,
  }: { readonly directory: string; readonly boot: number; readonly durability: Durability },
): Promise<Survival> {
  const events: StoreEvent[] = [];
  const violations: string[] = [];
  const acknowledged = heldAfter(recording, loss.acknowledged);
  const underWay = recording.points[loss.acknowledged + 1]?.written ?? new Map<string, number>();
  let lost = 0;
  const { store, report } = await openStore(directory, boot, events, { durability });
  const held = new Map<string, number>();
  try {
    for (const key of new Set([...acknowledged.keys(), ...underWay.keys()])) {
      const stamp = stampOf(store, key);
      if (stamp > 0) held.set(key, stamp);
    }
    const kept = [...underWay].filter(([key, stamp]) => held.get(key) === stamp).length;
    if (kept > 0 && kept < underWay.size)
      violations.push(`a commit came back in part: ${kept} of ${underWay.size}`);
    for (const [key, stamp] of acknowledged) {
      const now = held.get(key) ?? 0;
      if (now === stamp || now === underWay.get(key)) continue;
      lost += 1;
      violations.push(`${key} holds write ${now}, acknowledged was ${stamp}`);
    }
    const expected = new Map([...acknowledged, ...(kept > 0 ? underWay : [])]);
    if (store.stats().records !== expected.size)
      violations.push(`${store.stats().records} records, expected ${expected.size}`);
    const { consistent } = await store.verify({ deep: true });
    if (!consistent) violations.push("records, index and fingerprints differ");
    // Nothing that was acknowledged is missing. Only without its side file can the store not know that.
    const doubt = report.doubt.join(", ");
    if (doubt !== "" && !(loss.sideFileLost && doubt === "commits_missing"))
      violations.push(`in doubt: ${doubt}`);
    if (report.damaged > 0) violations.push(`${report.damaged} records are damaged`);
    return { lost, violations, keptUnacknowledged: kept > 0, held };
  } finally {
    await store.close();
  }
}
