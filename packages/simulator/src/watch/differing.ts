/** Which keys differ between two machines, by what was seen to be committed there. */
import { type HlcTime, type KeyRecord, purgeableFrom } from "@hearsay/core";
import { holdSame } from "../invariants/record-checks.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

/** As two machines stood at one moment. */
export class Sides {
  readonly #here: ReplicaWatch;
  readonly #there: ReplicaWatch;
  readonly #before: readonly [ReadonlyMap<string, KeyRecord>, ReadonlyMap<string, KeyRecord>];

  constructor(here: ReplicaWatch, there: ReplicaWatch) {
    this.#here = here;
    this.#there = there;
    this.#before = [new Map(here.records), new Map(there.records)];
  }

  /**
   * Keys that have not changed on either side since, and whether they differ.
   * @param floor what may go at it counts as gone
   */
  *since(floor: HlcTime): Iterable<{ readonly key: string; readonly differs: boolean }> {
    const [here, there] = this.#before;
    for (const key of new Set([...here.keys(), ...there.keys()])) {
      const ours = here.get(key);
      const theirs = there.get(key);
      if (ours !== this.#here.records.get(key) || theirs !== this.#there.records.get(key)) continue;
      if (this.#here.mayDiffer(key) || this.#there.mayDiffer(key)) continue;
      if (mayGo(ours, floor) || mayGo(theirs, floor)) continue;
      yield { key, differs: ours === undefined || theirs === undefined || !holdSame(ours, theirs) };
    }
  }
}

function mayGo(record: KeyRecord | undefined, floor: HlcTime): boolean {
  const from = record === undefined ? undefined : purgeableFrom(record);
  return from !== undefined && from <= floor;
}
