/** Opening a store: what is found, what may be missing, and what has to be rebuilt. */
import { decodeUtf8, RecordHasher } from "@hearsay/core";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { Codec } from "./codec.ts";
import { DatabaseHandle } from "./database-handle.ts";
import type { OpenedState } from "./engine.ts";
import {
  DAMAGE_NOTE,
  encodeDoubt,
  encodeEnvironment,
  LAYOUT_VERSION,
  NO_DIGEST_KEY,
  parseDoubt,
  parseEnvironment,
  type StoredEnvironment,
} from "./environment.ts";
import { type DoubtReason, errorDetail, isDamage, openError, StoreError } from "./faults.ts";
import { isSequence, journalHolds, readJournal } from "./journal.ts";
import { journalKey, SPACE, type Space, spaceRange, systemKey, userKey } from "./keyspace.ts";
import type { DatabaseBatch, StoreOptions } from "./ports.ts";
import { Presence } from "./presence.ts";
import { type Fixes, type RebuildReport, rebucket, rebuild } from "./rebuild.ts";
import { Tally } from "./tally.ts";

export interface OpenReport {
  /** Closed in order the last time, with nothing missing; also true of a new store. */
  readonly clean: boolean;
  /** The fingerprints were computed anew from the records. */
  readonly rebuilt: boolean;
  readonly records: number;
  readonly damaged: number;
  /** Why acknowledged writes may be missing; stays until {@link Store.settleDoubt}. */
  readonly doubt: readonly DoubtReason[];
}

/** @throws StoreError `store_locked`, `store_unreadable`, `store_version`, `store_refused`, `disk_full` */
export async function openState(options: StoreOptions): Promise<{ state: OpenedState; report: OpenReport }> {
  const opening = new Opening(options);
  await opening.openDatabase();
  try {
    return await opening.run();
  } catch (error) {
    await opening.handle.close();
    if (!isDamage(error)) throw openError(error);
    await opening.salvage(error);
  }
  try {
    return await opening.run();
  } catch (error) {
    await opening.handle.close();
    throw openError(error);
  }
}

class Opening {
  readonly handle: DatabaseHandle;
  readonly #options: StoreOptions;
  readonly #codec: Codec;
  readonly #hasher: RecordHasher;
  readonly #doubt: Set<DoubtReason> = new Set();
  #salvaged: boolean = false;
  readonly #digestKeyId: string;
  /** 0 when there is no side file, or none that can be read. */
  readonly #sideSequence: number;
  readonly #isSideDamaged: boolean;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.handle = new DatabaseHandle(options.openDatabase, options.limits);
    this.#codec = new Codec(options.hashing);
    this.#hasher = new RecordHasher(options.hashing, options.digestKey);
    this.#digestKeyId = options.hashing.sha256Hex(options.digestKey);
    const found = options.sequenceFile.read();
    this.#isSideDamaged = !isSequence(found);
    this.#sideSequence = this.#isSideDamaged ? 0 : found;
  }

  async openDatabase(): Promise<void> {
    // LevelDB would answer a missing CURRENT file with an empty database, and delete the tables.
    const createIfMissing = this.#sideSequence === 0 && !this.#isSideDamaged;
    try {
      await this.handle.open({ createIfMissing });
    } catch (error) {
      if (!isDamage(error)) throw openError(error);
      await this.salvage(error);
    }
  }

  /** Has what is left of a damaged database copied aside and repaired, and opens that. */
  async salvage(cause: unknown): Promise<void> {
    const { salvage } = this.#options;
    if (salvage === undefined || this.#salvaged) throw openError(cause);
    this.#salvaged = true;
    this.#options.onEvent({ code: "salvaged", detail: errorDetail(cause) });
    this.#raise("salvaged");
    try {
      await salvage();
      await this.handle.open({ createIfMissing: true });
    } catch (error) {
      throw openError(error);
    }
  }

  async run(): Promise<{ state: OpenedState; report: OpenReport }> {
    const found = this.#readEnvironment();
    if (this.#readSystem(DAMAGE_NOTE).content !== undefined) this.#salvageIfPossible();
    this.#readDoubt();
    const written = this.#readCheckpoint(found);
    const { newest, journalBase, whole } = await this.#readCommits(found, written);
    // A log that was damaged after the stop may have lost commits and kept the checkpoint.
    const checkpoint = whole ? written : undefined;
    const fresh = found === undefined && newest === 0 && this.#doubt.size === 0;
    this.#compareEnvironment(found, checkpoint !== undefined || fresh);
    const { metas, lost } = await this.#readMetas();
    const refusal = this.#options.refusal?.(metas);
    if (refusal !== undefined) throw new StoreError({ code: "store_refused" }, { cause: refusal });
    if (found !== undefined && found.digestKeyId !== this.#digestKeyId) await this.#rebucket(found);
    const rebuilt = checkpoint === undefined && !fresh ? await this.#rebuild() : undefined;
    const tally = rebuilt?.tally ?? checkpoint?.tally ?? Tally.empty();
    const presence = rebuilt?.presence ?? checkpoint?.presence ?? new Presence();
    const historySlotsEver = Math.max(
      found?.historySlotsEver ?? 0,
      this.#options.limits.historyMaxVersions - 1,
    );
    const sequence = await this.#commitOpening(newest, { historySlotsEver, journalBase }, lost);
    const damaged = await this.#countSpace(SPACE.quarantine);
    return {
      state: {
        handle: this.handle,
        codec: this.#codec,
        hasher: this.#hasher,
        tally,
        presence,
        sequence,
        metas,
        doubt: this.#doubt,
        damaged,
        ghosts: await this.#countSpace(SPACE.ghost),
        historySlotsEver,
      },
      report: {
        clean: rebuilt === undefined,
        rebuilt: rebuilt !== undefined,
        records: tally.counters.records,
        damaged,
        doubt: [...this.#doubt],
      },
    };
  }

  /**
   * Where one entry is damaged, its table may be: keys out of order show as missing records only, and LevelDB
   * aborts the process when it compacts such a table.
   */
  #salvageIfPossible(): void {
    if (this.#options.salvage === undefined || this.#salvaged) return;
    throw new StoreError({ code: "read_failed", detail: "records or index entries are damaged" });
  }

  #raise(reason: DoubtReason): void {
    if (this.#doubt.has(reason)) return;
    this.#doubt.add(reason);
    this.#options.onEvent({ code: "doubt", reason });
  }

  #readSystem(name: string): { readonly content: Uint8Array | undefined; readonly damaged: boolean } {
    const key = systemKey(name);
    const value = this.handle.get(key);
    const content = value === undefined ? undefined : this.#codec.decodePlain(key, value);
    return { content, damaged: value !== undefined && content === undefined };
  }

  #readEnvironment(): StoredEnvironment | undefined {
    const { content, damaged } = this.#readSystem("environment");
    const environment = content === undefined ? undefined : parseEnvironment(content);
    if (damaged || (content !== undefined && environment === undefined)) this.#raise("damaged_meta");
    if (environment !== undefined && environment.layout > LAYOUT_VERSION) {
      throw new StoreError({ code: "store_version", found: environment.layout, supported: LAYOUT_VERSION });
    }
    return environment;
  }

  #readDoubt(): void {
    const { content, damaged } = this.#readSystem("doubt");
    const reasons = content === undefined ? undefined : parseDoubt(content);
    if (damaged || (content !== undefined && reasons === undefined)) this.#raise("damaged_meta");
    for (const reason of reasons ?? []) this.#raise(reason);
  }

  /** The checkpoint, if it is that of the newest commit. */
  #readCheckpoint(found: StoredEnvironment | undefined): Checkpoint | undefined {
    const { content } = this.#readSystem("checkpoint");
    const checkpoint = content === undefined ? undefined : parseCheckpoint(content);
    if (checkpoint === undefined || found?.digestKeyId !== this.#digestKeyId) return undefined;
    const { sequence } = checkpoint;
    const fits =
      journalHolds(this.handle, this.#codec, sequence) &&
      !journalHolds(this.handle, this.#codec, sequence + 1) &&
      this.#sideSequence <= sequence;
    return fits ? checkpoint : undefined;
  }

  async #readCommits(
    found: StoredEnvironment | undefined,
    checkpoint: Checkpoint | undefined,
  ): Promise<{ newest: number; journalBase: number; whole: boolean }> {
    const base = found?.journalBase ?? 1;
    const { newest, whole } = await readJournal(this.handle, this.#codec, base);
    // Without a side file nothing can be said about the newest commits of an unclean stop.
    const isKnown = this.#sideSequence > 0 || (newest === 0 && !this.#isSideDamaged);
    const sideFits = isKnown && this.#sideSequence <= newest;
    if (whole && (sideFits || checkpoint !== undefined)) return { newest, journalBase: base, whole };
    this.#raise("commits_missing");
    const beyond = Math.max(newest, this.#sideSequence);
    return { newest: beyond, journalBase: beyond + 1, whole: false };
  }

  #compareEnvironment(found: StoredEnvironment | undefined, clean: boolean): void {
    const { bootId, directoryStamp } = this.#options.environment;
    if (found === undefined) return;
    const isKnown = [found.directoryStamp, found.renewedStamp].includes(directoryStamp);
    if (!isKnown) this.#raise("directory_copied");
    // What it was under the run that stopped; an older build did not note it.
    const { durability = this.#options.durability } = found;
    if (!clean && durability === "os" && found.bootId !== bootId) this.#raise("os_new_boot");
  }

  /** Those that are damaged stay as they are until the doubt that they raise is stored. From then on they are empty, and not absent. */
  async #readMetas(): Promise<{ metas: Map<string, Uint8Array>; lost: readonly Uint8Array[] }> {
    const metas = new Map<string, Uint8Array>();
    const lost: Uint8Array[] = [];
    for await (const [key, value] of this.handle.entries(spaceRange(SPACE.meta))) {
      const name = decodeUtf8(userKey(key));
      const content = this.#codec.decodePlain(key, value);
      if (name === undefined || content === undefined) lost.push(key);
      if (name !== undefined) metas.set(name, content?.slice() ?? new Uint8Array(0));
    }
    if (lost.length > 0) this.#raise("damaged_meta");
    return { metas, lost };
  }

  /** Noted before the first move: no later opening, whatever its key, may take an index for whole that is moved in part. */
  async #rebucket(found: StoredEnvironment): Promise<void> {
    const batch = this.handle.current.batch();
    batch.del(systemKey("checkpoint"));
    this.#putEnvironment(batch, { ...found, digestKeyId: NO_DIGEST_KEY });
    await batch.write({ sync: true });
    await rebucket(this.handle, this.#codec, this.#hasher);
  }

  async #rebuild(): Promise<RebuildReport> {
    const parts = { handle: this.handle, codec: this.#codec, hasher: this.#hasher };
    const report = await rebuild(parts, {
      thorough: this.#doubt.size > 0 || this.#readSystem(DAMAGE_NOTE).content !== undefined,
      onDamage: () => this.#salvageIfPossible(),
      onLoss: (fixes) => this.#noteLoss(fixes),
    });
    const { records } = report.tally.counters;
    this.#options.onEvent({ code: "fingerprints_rebuilt", records, reindexed: report.reindexed });
    return report;
  }

  #noteLoss(fixes: Fixes): void {
    this.#raise("damaged_records");
    fixes.put(systemKey("doubt"), (key) => this.#codec.encodePlain(key, encodeDoubt(this.#doubt)));
  }

  async #countSpace(space: Space): Promise<number> {
    let count = 0;
    for await (const _entry of this.handle.entries({ ...spaceRange(space), values: false })) count++;
    return count;
  }

  /** From here on an unclean stop is noticed, and a database of before that is put back. */
  async #commitOpening(
    newest: number,
    kept: { readonly historySlotsEver: number; readonly journalBase: number },
    lostMetas: readonly Uint8Array[],
  ): Promise<number> {
    const sequence = newest + 1;
    const renewal = this.#options.renewStamp?.();
    const environment = {
      layout: LAYOUT_VERSION,
      ...this.#options.environment,
      durability: this.#options.durability,
      digestKeyId: this.#digestKeyId,
      ...kept,
    };
    const batch = this.handle.current.batch();
    batch.del(systemKey("checkpoint"));
    for (const key of lostMetas) batch.put(key, this.#codec.encodePlain(key, new Uint8Array(0)));
    this.#putEnvironment(batch, { ...environment, renewedStamp: renewal?.directoryStamp });
    if (this.#doubt.size > 0) {
      const key = systemKey("doubt");
      batch.put(key, this.#codec.encodePlain(key, encodeDoubt(this.#doubt)));
    }
    batch.put(journalKey(sequence), this.#codec.encodeSequence(journalKey(sequence), sequence));
    await batch.write({ sync: true });
    renewal?.apply();
    this.#options.sequenceFile.write(sequence);
    if (renewal !== undefined) await this.#forgetFormerStamp(environment, renewal.directoryStamp);
    return sequence;
  }

  /** Another file may come to bear it, where the file system notes no times of birth. */
  async #forgetFormerStamp(environment: StoredEnvironment, directoryStamp: string): Promise<void> {
    const batch = this.handle.current.batch();
    this.#putEnvironment(batch, { ...environment, directoryStamp });
    await batch.write({ sync: false });
  }

  #putEnvironment(batch: DatabaseBatch, environment: StoredEnvironment): void {
    const key = systemKey("environment");
    batch.put(key, this.#codec.encodePlain(key, encodeEnvironment(environment)));
  }
}
