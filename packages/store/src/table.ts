/**
 * The state of single keys: what is committed, what is newest, and the changes that lead from one to the other.
 *
 * Invariant: fingerprints and counters are those of the committed records that can be read. A record found
 * damaged leaves them with the commit that puts it into quarantine.
 */
import { encodeUtf8, type KeyRecord, type RecordHasher, type Sibling, type Version } from "@hearsay/core";
import {
  ABSENT,
  type Change,
  countedSummary,
  coversDamaged,
  type Damaged,
  damageError,
  type KeyState,
  replacedBy,
  type Step,
  writePut,
  writeQuarantine,
  writeRemoval,
} from "./change.ts";
import type { Codec } from "./codec.ts";
import type { CommitPipeline, Group } from "./commit.ts";
import type { DatabaseHandle } from "./database-handle.ts";
import type { StoreEvent } from "./faults.ts";
import { historyKey, indexKey, KeyScratch, quarantineKey, recordKey } from "./keyspace.ts";
import { PendingRecord } from "./pending-record.ts";
import { Places } from "./places.ts";
import type { Presence } from "./presence.ts";
import type { RecordCache, Stored } from "./record-cache.ts";
import { summarize } from "./summary.ts";
import { contributionOf, type Tally } from "./tally.ts";

export interface TableParts {
  readonly handle: DatabaseHandle;
  readonly codec: Codec;
  readonly hasher: RecordHasher;
  readonly presence: Presence;
  readonly cache: RecordCache;
  readonly pipeline: CommitPipeline;
  readonly historySlots: number;
  /** The most slots this store has ever had: what a purge has to delete. */
  readonly historySlotsEver: number;
  onEvent(event: StoreEvent): void;
  /** Called when a damaged record is found, before it is staged for quarantine. */
  onDamage(): void;
}

export class Table {
  readonly #parts: TableParts;
  /**
   * What `newest` has found of keys without a pending change in this turn: the check before a batch, each write and the put
   * that follows build upon the same answer. A new map each time, not a cleared one: that costs the garbage collector less.
   */
  #turn: Map<string, KeyState> = new Map();
  readonly #endTurn: () => void = () => {
    if (this.#turn.size > 0) this.#turn = new Map();
  };
  /** What `newest` has looked for last had no record. */
  #wasNew: boolean = false;
  readonly #places: Places;
  readonly #keys: KeyScratch = new KeyScratch();

  constructor(parts: TableParts) {
    this.#parts = parts;
    this.#places = new Places(parts.hasher);
  }

  /** What readers may see. A damaged record is put into quarantine on the way. */
  committed(key: string): KeyState {
    const change = this.#parts.pipeline.inFlight(key);
    if (change !== undefined) return change.before;
    const cached = this.#parts.cache.get(key);
    if (cached !== undefined) return cached;
    const state = this.#read(key);
    if (state.kind === "record") this.#parts.cache.keep(key, state);
    else if (state.kind === "damaged") this.quarantine(key, state);
    return state;
  }

  /** The same for one look: what is found is not kept for readers to come. */
  glance(key: string): KeyState {
    const { cache, pipeline } = this.#parts;
    return pipeline.inFlight(key)?.before ?? cache.glance(key) ?? this.committed(key);
  }

  /** What the next write builds on. */
  newest(key: string): KeyState {
    const { pipeline, cache } = this.#parts;
    const pending = pipeline.pending(key);
    if (pending !== undefined) return pending.after;
    const known = this.#turn.get(key);
    if (known !== undefined) return known;
    // What is written together is alike: after a new key the filter is asked before the cache, as it likely says no.
    const state = this.#wasNew && !this.#mayHold(key) ? ABSENT : (cache.peek(key) ?? this.#read(key));
    this.#wasNew = state.kind === "absent";
    if (state.kind === "damaged") {
      this.quarantine(key, state);
      return state;
    }
    if (this.#turn.size === 0) void Promise.resolve().then(this.#endTurn);
    this.#turn.set(key, state);
    return state;
  }

  /** Stages a record; the group's promise settles with its commit. Not to be called when writes are refused. */
  put(key: string, record: KeyRecord): Promise<void> {
    const { codec, pipeline, historySlots } = this.#parts;
    const newest = this.newest(key);
    if (newest.kind === "damaged" && !coversDamaged(record, newest))
      return Promise.reject(damageError(key, newest));
    const bucket = (newest.kind === "record" ? newest.bucket : undefined) ?? this.#entered(key, newest);
    const keyBytes = this.#keys.encode(key);
    const ring = newest.kind === "record" && historySlots > 0 ? replacedBy(record, newest.record) : NONE;
    const replaces = newest.kind === "record" ? newest.revision : 0;
    const revision = ring.length > 0 ? (replaces + 1) >>> 0 : replaces;
    const encoded = codec.encodePut(keyBytes, bucket, record, revision);
    const after = new PendingRecord(codec, encoded, { revision, bucket });
    const group = pipeline.open();
    if (ring.length > 0) {
      const slotKey = historyKey(keyBytes, replaces % historySlots);
      group.put(slotKey, codec.encodeSiblings(slotKey, ring));
    }
    writePut(group, { keyBytes, bucket, from: newest, to: after }, encoded);
    this.#change(group, { key, bucket, after, value: encoded.value }, newest);
    return group.settled;
  }

  /** Stages the removal of a record. */
  remove(key: string): Promise<void> {
    const newest = this.newest(key);
    const group = this.#parts.pipeline.open();
    writeRemoval(group, this.#step(key, newest, ABSENT), this.#parts.historySlotsEver);
    this.#change(group, { key, bucket: this.#bucketOf(key), after: ABSENT, value: undefined }, newest);
    return group.settled;
  }

  /** Stages the move of a damaged record to quarantine, once. */
  quarantine(key: string, found: Damaged): void {
    if (!found.counted || this.#parts.pipeline.refusal() !== undefined) return;
    if (this.#parts.pipeline.pending(key) !== undefined) return;
    this.#parts.onEvent({ code: "record_damaged", key });
    this.#parts.onDamage();
    this.#parts.presence.add(this.#places.of(key));
    const group = this.#parts.pipeline.open();
    const kept: Damaged = { ...found, counted: false };
    writeQuarantine(group, this.#step(key, found, kept), found.raw);
    this.#change(group, { key, bucket: this.#bucketOf(key), after: kept, value: undefined }, found);
    // Nobody waits for it: should it fail, the next read finds the damage again.
    group.settled.catch(() => undefined);
  }

  /** Writes a damaged index entry anew from its record; answers the record's versions, if there is one to be read. */
  reindex(key: string): readonly Version[] | undefined {
    const state = this.newest(key);
    if (state.kind !== "record") return undefined;
    this.#parts.onEvent({ code: "index_damaged", key });
    if (this.#parts.pipeline.refusal() === undefined) {
      this.put(key, state.record).catch(() => {
        // Nobody waits for it: should it fail, the next listing finds the damage again.
      });
    }
    return state.summary.versions;
  }

  /** The older versions of a key, from its history slots. */
  history(key: string): Sibling[] {
    const state = this.committed(key);
    if (state.kind !== "record") return [];
    const { codec, handle, onEvent } = this.#parts;
    const keyBytes = encodeUtf8(key);
    const versions: Sibling[] = [];
    const used = Math.min(state.revision, this.#parts.historySlotsEver);
    for (let slot = 0; slot < used; slot++) {
      const slotKey = historyKey(keyBytes, slot);
      const value = handle.get(slotKey);
      if (value === undefined) continue;
      const siblings = codec.decodeSiblings(slotKey, value);
      if (siblings === undefined) onEvent({ code: "history_damaged", key });
      else versions.push(...siblings);
    }
    return versions;
  }

  /** Digests of a group, computed while its batch is written. */
  prepare(group: Group): void {
    const { hasher } = this.#parts;
    for (const change of group.changes.values()) {
      const loses = countedSummary(change.before);
      const gains = countedSummary(change.after);
      change.loses = loses === undefined ? undefined : contributionOf(hasher, change.key, loses);
      change.gains = gains === undefined ? undefined : contributionOf(hasher, change.key, gains);
    }
  }

  /** Lets the cache follow a commit. */
  apply(group: Group): void {
    const { cache, onEvent } = this.#parts;
    this.#endTurn();
    for (const { key, bucket, before, after, value } of group.changes.values()) {
      if (value === undefined) cache.delete(key);
      else if (before.kind === "absent") cache.created(key, bucket, value);
      else cache.written(key, bucket, value);
      if (before.kind === "damaged" && after.kind === "record") onEvent({ code: "record_healed", key });
    }
  }

  /** Forgets what was read, after the database was reopened. */
  forget(keys: Iterable<string>): void {
    this.#endTurn();
    for (const key of keys) this.#parts.cache.delete(key);
  }

  /** The committed state of a key whose bytes a scan has found; the cache knows better where it knows. */
  scanned(key: string, keyBytes: Uint8Array, value: Uint8Array): KeyState {
    const change = this.#parts.pipeline.inFlight(key);
    if (change !== undefined) return change.before;
    const cached = this.#parts.cache.get(key);
    if (cached !== undefined) return cached;
    const state = this.#decode(key, keyBytes, value);
    // What the scan read may have changed since; damage is believed only where a fresh read finds it too.
    return state.kind === "damaged" ? this.found(key) : state;
  }

  /** What is committed for a key under which a scan has found something, whether or not it was ever put. */
  found(key: string): KeyState {
    this.#parts.presence.add(this.#places.of(key));
    return this.committed(key);
  }

  #step(key: string, from: KeyState, to: KeyState): Step {
    return { keyBytes: encodeUtf8(key), bucket: this.#bucketOf(key), from, to };
  }

  /** Notes down what the group does to the key: one change for each key, from what is committed before it. */
  #change(group: Group, next: Pick<Change, "key" | "bucket" | "after" | "value">, newest: KeyState): void {
    const { key, bucket, after, value } = next;
    const forming = group.changes.get(key);
    const before = forming?.before ?? newest;
    group.changes.set(key, { key, bucket, before, after, value, loses: undefined, gains: undefined });
  }

  /** What the cache was given when it was written; it has passed through memory only, so its checksum is not computed again. */
  unpack(key: string, value: Uint8Array, bucket: number): Stored | undefined {
    const decoded = this.#parts.codec.decodeTrusted(value);
    if (decoded === undefined) return undefined;
    const { record, revision } = decoded;
    const summary = summarize(record, this.#keys.encode(key).length + value.length);
    return { kind: "record", record, revision, bucket, summary };
  }

  #bucketOf(key: string): number {
    return this.#places.of(key).bucket;
  }

  /** The bucket of a key that is about to be written, which from now on may have a record. */
  #entered(key: string, newest: KeyState): number {
    const place = this.#places.of(key);
    if (newest.kind === "absent") this.#parts.presence.add(place);
    return place.bucket;
  }

  #mayHold(key: string): boolean {
    return this.#parts.presence.mayHold(this.#places.of(key));
  }

  #read(key: string): KeyState {
    const { handle, codec } = this.#parts;
    if (!this.#mayHold(key)) return ABSENT;
    const keyBytes = this.#keys.encode(key);
    const value = handle.get(this.#keys.recordKey());
    if (value !== undefined) return this.#decode(key, keyBytes, value);
    const at = this.#keys.indexKey(this.#bucketOf(key));
    const index = handle.get(at);
    const known = index === undefined ? undefined : codec.decodeSummary(at, index);
    const quarantined = handle.get(quarantineKey(keyBytes));
    // Where the index entry is gone as well, the quarantine alone knows that something was here.
    if (index === undefined && quarantined === undefined) return ABSENT;
    return {
      kind: "damaged",
      known,
      counted: quarantined === undefined,
      raw: quarantined ?? new Uint8Array(0),
    };
  }

  #decode(key: string, keyBytes: Uint8Array, value: Uint8Array): KeyState {
    const { handle, codec } = this.#parts;
    const decoded = codec.decodeRecord(recordKey(keyBytes), value);
    if (decoded === undefined) {
      const at = indexKey(this.#bucketOf(key), keyBytes);
      const index = handle.get(at);
      const known = index === undefined ? undefined : codec.decodeSummary(at, index);
      return { kind: "damaged", known, counted: true, raw: value };
    }
    const { record, revision } = decoded;
    const summary = summarize(record, keyBytes.length + value.length);
    return { kind: "record", record, revision, bucket: undefined, summary };
  }
}

const NONE: readonly Sibling[] = [];

/** Applies a prepared group to what is known of all records together. */
export function applyToTally(tally: Tally, group: Group): void {
  for (const { bucket, before, loses, gains } of group.changes.values()) {
    if (before.kind === "damaged" && before.counted && before.known === undefined) tally.suspect = true;
    if (loses !== undefined) tally.subtract(bucket, loses);
    if (gains !== undefined) tally.add(bucket, gains);
  }
}
