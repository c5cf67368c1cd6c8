import { inspectSnapshot } from "@hearsay/server";

/** What a snapshot holds. */
export interface SnapshotFacts {
  readonly records: number;
  readonly values: number;
  readonly valueBytes: number;
  readonly conflicts: number;
  /** Records that its node could not read, and that are not in it. */
  readonly damaged: number;
}

/** Reads a snapshot file whole and checks it. */
export async function inspectFile(path: string): Promise<SnapshotFacts> {
  const { records, values, valueBytes, conflicts, damaged } = await inspectSnapshot(path, Date.now());
  return { records, values, valueBytes, conflicts, damaged };
}
