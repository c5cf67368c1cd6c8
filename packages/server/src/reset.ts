/** Makes a stopped node's directory start as a new incarnation. */
import { hlcFromMs } from "@hearsay/core";
import { beginAnew, establishIdentity, type Log } from "@hearsay/node";
import type { Store } from "@hearsay/store";
import type { Settings } from "./config/knobs.ts";
import { DataDirectory } from "./machine/data-directory.ts";
import { dropDamagedCopies } from "./machine/salvage.ts";
import { openStore } from "./open-store.ts";
import { settleExactRestore } from "./snapshot/exact-mark.ts";
import { openingError } from "./start-error.ts";

export interface ResetReport {
  /** The id that is given up. */
  readonly node: string;
  readonly cluster: string;
  /** Records that stay, deleted ones included. */
  readonly kept: number;
  readonly removed: number;
}

const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const SCAN_ENTRIES = 1000;

/**
 * The doubt that a copied directory raises does all that is needed at the next start: a new id is minted, the old one is
 * on its list of retired ids, which it tells the others, and nothing the old one confirmed counts any more. It is raised
 * first, so that a directory which was emptied in part is never taken for the old incarnation.
 * @param options with `alone` the next start knows of no other member, and founds a cluster of its own with the data
 * @throws StartError, among others when a node runs on the directory
 */
export async function resetDirectory(
  settings: Settings,
  options: {
    readonly empty: boolean;
    readonly alone: boolean;
    readonly onProgress?: (removed: number) => void;
  },
): Promise<ResetReport> {
  try {
    const { id, cluster, records } = await examine(settings);
    DataDirectory.renewStamp(settings.data);
    if (options.alone) await cutOff(settings);
    const removed = options.empty ? await removeAll(settings, options.onProgress) : 0;
    return { node: id, cluster, kept: records - removed, removed };
  } catch (error) {
    throw openingError(error, settings.data);
  }
}

/** Opening it fails while a node runs on it. */
async function examine(
  settings: Settings,
): Promise<{ readonly id: string; readonly cluster: string; readonly records: number }> {
  const opened = await openStore(settings, QUIET, () => undefined);
  try {
    const { id, cluster } = await establishIdentity(
      opened.store.meta,
      { next: () => Math.random() },
      {
        name: settings.name === "" ? undefined : settings.name,
        fallbackName: "node",
        cluster: settings.cluster,
        // Of one that cannot be read nothing is left but a new one.
        doubt: opened.report.doubt.includes("damaged_meta"),
        // Of no consequence: the next start mints another id.
        now: hlcFromMs(Date.now()),
      },
    );
    return { id, cluster, records: opened.store.stats().records };
  } finally {
    await opened.close();
  }
}

async function cutOff(settings: Settings): Promise<void> {
  const opened = await openStore(settings, QUIET, () => undefined);
  try {
    await beginAnew(opened.store.meta);
  } finally {
    await opened.close();
  }
}

async function removeAll(
  settings: Settings,
  onProgress: ((removed: number) => void) | undefined,
): Promise<number> {
  const opened = await openStore(settings, QUIET, () => undefined);
  try {
    let removed = 0;
    for await (const keys of allKeys(opened.store)) {
      await Promise.all(keys.map((key) => opened.store.remove(key)));
      removed += keys.length;
      onProgress?.(removed);
    }
    // What is damaged is no record any more, and would be missed in an empty directory too.
    for (;;) {
      const damaged = await opened.store.damaged(SCAN_ENTRIES);
      if (damaged.length === 0) break;
      await Promise.all(damaged.map(({ key }) => opened.store.remove(key)));
    }
    await opened.store.discardGhosts();
    await settleExactRestore(opened.store.meta);
    await dropDamagedCopies(settings.data, 0);
    return removed;
  } finally {
    await opened.close();
  }
}

async function* allKeys(store: Store): AsyncGenerator<readonly string[]> {
  let after: string | undefined;
  do {
    const chunk = await store.scan({ prefix: "", after, limit: SCAN_ENTRIES });
    yield [...chunk.entries.map(({ key }) => key), ...chunk.damaged];
    after = chunk.next;
  } while (after !== undefined);
}
