/** Opens the store of a data directory, for a running node and for commands that work on a stopped one. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type Log, refusalOf } from "@hearsay/node";
import {
  type Database,
  DEFAULT_STORE_LIMITS,
  isDiskFull,
  type OpenReport,
  openError,
  Store,
  StoreError,
  type StoreEvent,
} from "@hearsay/store";
import { Level } from "level";
import type { Settings } from "./config/knobs.ts";
import { DataDirectory } from "./machine/data-directory.ts";
import { digestKeyOf, hashing } from "./machine/hashing.ts";
import { resumeSalvage, salvageDatabase, survivesOpening } from "./machine/salvage.ts";

export interface OpenedStore {
  readonly store: Store;
  readonly report: OpenReport;
  readonly directory: DataDirectory;
  /** Closes the store and lets go of the directory. */
  close(): Promise<void>;
}

/** Free space beyond what reopening the database writes by itself. */
const ROOM_MARGIN_BYTES = 16 * 1024 * 1024;

/** @throws StoreError, IdentityError where it belongs to another cluster or node, or the file system's error for the directory */
export async function openStore(
  settings: Settings,
  log: Log,
  onEvent: (event: StoreEvent) => void,
): Promise<OpenedStore> {
  const directory = DataDirectory.open(settings.data);
  let mark: OpeningMark | undefined;
  try {
    const resumed = await resumeSalvage(directory.path, Date.now());
    if (resumed !== undefined) log.warn("salvage_resumed", { copy: resumed });
    await salvageWhatAborts(directory, log);
    mark = new OpeningMark(directory);
    const { store, report } = await Store.open({
      openDatabase: ({ cacheBytes, writeBufferBytes }): Database =>
        new Level<Uint8Array, Uint8Array>(directory.database, {
          keyEncoding: "view",
          valueEncoding: "view",
          cacheSize: cacheBytes,
          writeBufferSize: writeBufferBytes,
        }),
      salvage: async () => {
        log.warn("database_salvaged", { ...(await salvageDatabase(directory.path, Date.now())) });
      },
      hashing,
      digestKey: digestKeyOf(settings.cluster, settings["security.digestSecret"]),
      durability: settings.durability,
      sequenceFile: directory.sequenceFile(),
      environment: directory.environment(),
      renewStamp: () => directory.renewStamp(),
      yieldToEventLoop: setImmediate,
      hasRoom: () => directory.hasRoom(2 * settings["store.writeBufferBytes"] + ROOM_MARGIN_BYTES),
      onEvent,
      // Before its digests are computed anew with another cluster's key.
      refusal: (metas) =>
        refusalOf(metas, {
          cluster: settings.cluster,
          name: settings.name === "" ? undefined : settings.name,
        }),
      limits: {
        ...DEFAULT_STORE_LIMITS,
        cacheMaxBytes: settings["store.cacheMaxBytes"],
        blockCacheBytes: settings["store.blockCacheBytes"],
        writeBufferBytes: settings["store.writeBufferBytes"],
        pendingMaxBytes: settings["store.pendingMaxBytes"],
        historyMaxVersions: settings["history.maxVersions"],
        snapshotMaxChanged: settings["store.snapshotMaxChanged"],
      },
    });
    mark.remove();
    directory.clearSpool();
    const close = async (): Promise<void> => {
      try {
        await store.close();
      } finally {
        directory.close();
      }
    };
    return { store, report, directory, close };
  } catch (error) {
    mark?.removeAfter(error);
    // Where the disk is full, the database was locked. What fills it may be a restore that it ended.
    const isRoomMade = isFull(error) && directory.clearSpool();
    directory.close();
    if (isRoomMade) return await openStore(settings, log, onEvent);
    throw error instanceof StoreError && error.fault.code === "store_refused" ? error.cause : error;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof StoreError && error.fault.code === "disk_full";
}

/** Stands in the directory until the opening has come to its end, whichever. */
class OpeningMark {
  readonly #path: string;
  /** Another process has made it, which may be opening the database still. */
  readonly #isFound: boolean;

  constructor({ opening }: DataDirectory) {
    this.#path = opening;
    this.#isFound = existsSync(opening);
    try {
      writeFileSync(opening, "");
    } catch (error) {
      // The opening itself finds that too, and then knows that no other process runs.
      if (!isDiskFull(error)) throw error;
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }

  removeAfter(error: unknown): void {
    const isLocked = error instanceof StoreError && error.fault.code === "store_locked";
    if (!isLocked || !this.#isFound) this.remove();
  }
}

/**
 * Where the process has ended while it opened the database, another one tries first: LevelDB aborts on some damage, and each
 * further start would end as that one did.
 * @throws StoreError `store_unreadable`, `store_locked`, `disk_full`
 */
async function salvageWhatAborts({ path, opening }: DataDirectory, log: Log): Promise<void> {
  if (!existsSync(opening)) return;
  try {
    if (await survivesOpening(path)) return;
    log.warn("database_salvaged", { ...(await salvageDatabase(path, Date.now())) });
  } catch (error) {
    throw openError(error);
  }
}
