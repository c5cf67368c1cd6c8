/** The records that are written before the power fails, and the store they are written to. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platform } from "@hearsay/cli/simulation-platform";
import type { KeyRecord } from "@hearsay/core";
import {
  type Database,
  type DatabaseFactory,
  DEFAULT_STORE_LIMITS,
  type OpenReport,
  Store,
  type StoreEvent,
  type StoreOptions,
} from "@hearsay/store";
import { Level } from "level";

const NODE = "power~abcdefghij";
/** The least LevelDB takes: a new log, a table and a manifest record after a few dozen commits. */
const WRITE_BUFFER_BYTES = 64 * 1024;

/** @param stamp tells one write of a key from all others */
export function recordOf(stamp: number, bytes: number): KeyRecord {
  const version = { time: stamp, node: NODE };
  const context = new Map([[NODE, stamp]]);
  if (bytes === 0) return { context, siblings: [{ kind: "tombstone", version }] };
  const value = Buffer.alloc(bytes, stamp);
  const sibling = {
    kind: "value",
    version,
    bytes: value,
    contentType: "text/plain",
    expiresAtMs: null,
  } as const;
  return { context, siblings: [sibling] };
}

/** The stamp of the newest write the store shows for the key; 0 for none. */
export function stampOf(store: Store, key: string): number {
  return store.get(key)?.siblings[0].version.time ?? 0;
}

/** When a write is acknowledged: once it is on the disk, or once the operating system has it. */
export type Durability = StoreOptions["durability"];

/** Whether the last batch that was written was asked to be synced. */
export interface SyncWatch {
  synced: boolean;
}

/** LevelDB itself, watched for what it is asked to sync. */
function openLevel(directory: string, watch: SyncWatch, sizes: Parameters<DatabaseFactory>[0]): Database {
  const level = new Level<Uint8Array, Uint8Array>(join(directory, "db"), {
    keyEncoding: "view",
    valueEncoding: "view",
    cacheSize: sizes.cacheBytes,
    writeBufferSize: sizes.writeBufferBytes,
  });
  return {
    open: (options) => level.open(options),
    close: () => level.close(),
    getSync: (key) => level.getSync(key),
    iterator: (range) => level.iterator(range),
    batch: () => {
      const batch = level.batch();
      return {
        put: (key, value) => batch.put(key, value),
        del: (key) => batch.del(key),
        write: (options) => {
          watch.synced = options.sync;
          return batch.write(options);
        },
      };
    },
  };
}

/** @param boot changes when the power comes back */
export async function openStore(
  directory: string,
  boot: number,
  events: StoreEvent[],
  { durability, watch = { synced: false } }: { readonly durability: Durability; readonly watch?: SyncWatch },
): Promise<{ readonly store: Store; readonly report: OpenReport }> {
  mkdirSync(directory, { recursive: true });
  const sequenceFile = join(directory, "sequence");
  const options: StoreOptions = {
    openDatabase: (sizes) => openLevel(directory, watch, sizes),
    hashing: platform.hashing,
    digestKey: new Uint8Array(32).fill(7),
    durability,
    sequenceFile: {
      read: () => readSequence(sequenceFile),
      write: (sequence) => writeFileSync(sequenceFile, String(sequence)),
    },
    environment: { bootId: `boot ${boot}`, directoryStamp: "directory" },
    yieldToEventLoop: platform.turn,
    hasRoom: async () => true,
    onEvent: (event) => events.push(event),
    limits: { ...DEFAULT_STORE_LIMITS, writeBufferBytes: WRITE_BUFFER_BYTES },
  };
  return await Store.open(options);
}

/** 0 where there is none, or not all of it: the file is never synced. */
export function readSequence(path: string): number {
  try {
    return Number(readFileSync(path, "utf8")) || 0;
  } catch {
    return 0;
  }
}
