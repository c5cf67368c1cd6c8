/** The databases the contract runs on, and what else a store is handed in tests. */
import { createHash, hash } from "node:crypto";
import { cp, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import type { Hashing, KeyRecord, Sibling, Version } from "@hearsay/core";
import { Level } from "level";
import { MemoryLevel } from "memory-level";
import type { StoreEvent } from "./faults.ts";
import type { OpenReport } from "./opening.ts";
import { type Database, DEFAULT_STORE_LIMITS, type StoreLimits, type StoreOptions } from "./ports.ts";
import { rewriteDatabase } from "./salvage.ts";
import { Store } from "./store.ts";

export const hashing: Hashing = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
  sha256Text: (bytes) => hash("sha256", bytes, "binary"),
  crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
};

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;

export interface OpenedStore {
  readonly store: Store;
  readonly report: OpenReport;
}

export type OpenOverrides = Partial<Omit<StoreOptions, "limits">> & {
  readonly limits?: Partial<StoreLimits>;
};

/** One data directory over the life of several stores. */
export interface Backend {
  open(overrides?: OpenOverrides): Promise<OpenedStore>;
  /** Stops the open store as a killed process would: whatever it has written is there, nothing more. */
  crash(): Promise<void>;
  /** A database for looking behind the store's back. Only while no store is open. */
  raw(): Promise<Database>;
  readonly events: StoreEvent[];
  /** The side file. */
  readonly side: { sequence: number };
  dispose(): Promise<void>;
}

function optionsFor(
  backend: Backend,
  openDatabase: StoreOptions["openDatabase"],
  overrides: OpenOverrides,
): StoreOptions {
  return {
    openDatabase,
    hashing,
    digestKey: new Uint8Array(32).fill(7),
    durability: "os",
    sequenceFile: {
      read: () => backend.side.sequence,
      write: (sequence) => {
        backend.side.sequence = sequence;
      },
    },
    environment: { bootId: "boot-1", directoryStamp: "directory-1" },
    yieldToEventLoop: () => setImmediate(),
    hasRoom: () => Promise.resolve(true),
    onEvent: (event) => backend.events.push(event),
    ...overrides,
    limits: { ...DEFAULT_STORE_LIMITS, ...overrides.limits },
  };
}

export function memoryBackend(): Promise<Backend> {
  const database = new MemoryLevel<Uint8Array, Uint8Array>({ ...ENCODINGS, storeEncoding: "view" });
  let open: Store | undefined;
  const backend: Backend = {
    async open(overrides = {}) {
      const opened = await Store.open(optionsFor(backend, () => database, overrides));
      open = opened.store;
      return opened;
    },
    crash: () => Promise.resolve(),
    async raw() {
      await database.open();
      return database;
    },
    events: [],
    side: { sequence: 0 },
    async dispose() {
      await open?.close();
    },
  };
  return Promise.resolve(backend);
}

export interface LevelBackend extends Backend {
  /** Changes with every crash, which leaves a copy of the files as they were. */
  directory(): string;
  /** Opens a store over a copy of the files elsewhere, with a side file of its own. The caller closes it. */
  openAt(directory: string, overrides: OpenOverrides): Promise<OpenedStore>;
}

function levelFactory(directory: string): StoreOptions["openDatabase"] {
  return ({ cacheBytes, writeBufferBytes }) =>
    new Level<Uint8Array, Uint8Array>(directory, {
      ...ENCODINGS,
      cacheSize: cacheBytes,
      writeBufferSize: writeBufferBytes,
    });
}

const COPY_ATTEMPTS = 100;

/** Begun again where a compaction has added or deleted files meanwhile: no process leaves a mix of two moments behind. */
async function copyLive(directory: string, copy: string): Promise<void> {
  for (let attempts = 0; attempts < COPY_ATTEMPTS; attempts++) {
    const names = await readdir(directory);
    try {
      await cp(directory, copy, { recursive: true, filter: (source) => !source.endsWith("LOCK") });
      if (isDeepStrictEqual(await readdir(directory), names)) return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
    await rm(copy, { recursive: true, force: true });
  }
  throw new Error(`the files in ${directory} do not stay the same for as long as it takes to copy them`);
}

export async function levelBackend(): Promise<LevelBackend> {
  const root = await mkdtemp(join(tmpdir(), "hearsay-store-"));
  let directory = join(root, "0");
  let generation = 0;
  const stores: Store[] = [];
  const backend: LevelBackend = {
    directory: () => directory,
    async open(overrides = {}) {
      const opened = await Store.open(optionsFor(backend, levelFactory(directory), overrides));
      stores.push(opened.store);
      return opened;
    },
    openAt(elsewhere, overrides) {
      const aside: Backend = { ...backend, side: { ...backend.side } };
      return Store.open(optionsFor(aside, levelFactory(elsewhere), overrides));
    },
    async crash() {
      generation += 1;
      const copy = join(root, String(generation));
      await copyLive(directory, copy);
      directory = copy;
    },
    async raw() {
      const database = new Level<Uint8Array, Uint8Array>(directory, ENCODINGS);
      await database.open();
      return database;
    },
    events: [],
    side: { sequence: 0 },
    async dispose() {
      for (const store of stores) await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return backend;
}

/** Salvage as the store's port describes it; answers where the damaged directory is kept. */
export async function salvageLevel(directory: string): Promise<string> {
  const aside = `${directory}-damaged`;
  const work = `${directory}-work`;
  const fresh = `${directory}-fresh`;
  await cp(directory, aside, { recursive: true });
  await cp(directory, work, { recursive: true });
  const from = await openDamaged(work);
  const to = new Level<Uint8Array, Uint8Array>(fresh, ENCODINGS);
  await to.open();
  await rewriteDatabase(from, to, hashing);
  await from.close();
  await to.close();
  await rm(directory, { recursive: true });
  await rename(fresh, directory);
  await rm(work, { recursive: true });
  return aside;
}

async function openDamaged(directory: string): Promise<Level<Uint8Array, Uint8Array>> {
  try {
    const database = new Level<Uint8Array, Uint8Array>(directory, ENCODINGS);
    await database.open({ createIfMissing: false });
    return database;
  } catch {
    // The types of `level` leave LevelDB's own repair out.
    const repair: unknown = Reflect.get(Level, "repair");
    if (typeof repair !== "function") throw new TypeError("level has no repair");
    await Reflect.apply(repair, Level, [directory]);
    const database = new Level<Uint8Array, Uint8Array>(directory, ENCODINGS);
    await database.open();
    return database;
  }
}

export const NODE_A = "a~aaaaaaaaaa";
export const NODE_B = "b~bbbbbbbbbb";

export function version(time: number, node: string = NODE_A): Version {
  return { time, node };
}

export function value(time: number, text: string, node: string = NODE_A): Sibling {
  return {
    kind: "value",
    version: version(time, node),
    bytes: new TextEncoder().encode(text),
    contentType: "text/plain",
    expiresAtMs: null,
  };
}

export function tombstone(time: number, node: string = NODE_A): Sibling {
  return { kind: "tombstone", version: version(time, node) };
}

/** A record of the given siblings, newest first, whose context covers just them. */
export function recordOf(first: Sibling, ...rest: Sibling[]): KeyRecord {
  const context = new Map<string, number>();
  for (const { version: at } of [first, ...rest]) {
    context.set(at.node, Math.max(context.get(at.node) ?? 0, at.time));
  }
  return { context, siblings: [first, ...rest] };
}

export function textOf(record: KeyRecord | undefined): string | undefined {
  const sibling = record?.siblings[0];
  return sibling?.kind === "value" ? new TextDecoder().decode(sibling.bytes) : undefined;
}
