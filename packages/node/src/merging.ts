/** What peers send and snapshots bring: merged into what is held, versions staying as they are. */
import {
  admit,
  admitMail,
  boundSiblings,
  type ConflictRules,
  covers,
  dropRefused,
  type HlcTime,
  type KeyedRecord,
  type KeyRecord,
  latestTime,
  livingBelow,
  mergeRecords,
  type RefusedVersions,
  type Sibling,
  type Standing,
  sameVersion,
  siblingLimit,
  type Version,
} from "@hearsay/core";
import { type Readable, readOrLost } from "./damaged.ts";
import type { ClockFault, DurableClock } from "./durable-clock.ts";
import type { Log, Metrics, RecordStore } from "./ports.ts";

/** What came of one record of a peer. */
export interface AdmittedRecord {
  readonly key: string;
  /** What is held now; undefined when nothing is. */
  readonly record: KeyRecord | undefined;
  readonly quarantined: readonly Sibling[];
  readonly alarming: readonly Sibling[];
}

export interface Admitted {
  /** In the order of the records. */
  readonly merged: readonly AdmittedRecord[];
  /** Something was taken that neither side can judge. */
  readonly disturbing: boolean;
  /** Settles when all of it is durable. */
  readonly committed: Promise<void>;
}

/** What came of records that were mailed. */
export interface TakenMail {
  /** What each key's record has become, in the order of the records; undefined where nothing changed. */
  readonly records: readonly (KeyRecord | undefined)[];
  /** Something old was taken in the place of a damaged record. */
  readonly disturbing: boolean;
  /** Settles when all of it is durable. */
  readonly committed: Promise<void>;
}

/** Records handed to the store in one turn, whose commits are mostly one and the same. */
class Stored {
  readonly keys: string[] = [];
  readonly commits: Set<Promise<void>> = new Set();

  /** Nobody waits for what failed when a later record of the call throws: a store that closes does both. */
  add(commit: Promise<void>): void {
    if (this.commits.has(commit)) return;
    this.commits.add(commit);
    commit.catch(() => undefined);
  }
}

/** The context of a client, or the record of a peer, lies too far ahead of this node's clock. */
export type WriteFault = ClockFault;

/** This node and the peer stand at different floors, and one of the records would have to be judged. */
export interface FloorsDiffer {
  readonly code: "floors_differ";
}

export interface MergingPorts {
  readonly store: RecordStore;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: DurableClock;
  readonly conflicts: ConflictRules;
  /** The record of a key is durable. */
  stored(key: string): void;
}

export class Merging {
  readonly #ports: MergingPorts;

  constructor(ports: MergingPorts) {
    this.#ports = ports;
  }

  /** The record the next change of the key builds on. */
  latest(key: string): Readable {
    return readOrLost(() => this.#ports.store.latest(key));
  }

  /**
   * Merges a record that was made elsewhere into what is held: versions stay as they are. The clock observes it.
   * @returns when it is durable
   */
  merge(key: string, record: KeyRecord): Promise<void> | WriteFault {
    const drift = this.#ports.clock.observe(latestTime(record));
    if (drift !== undefined) return drift;
    const held = this.#ports.store.latest(key);
    const merged = held === undefined ? record : mergeRecords(held, record);
    this.#ports.clock.persist();
    return this.#ports.store.put(key, this.bounded(key, merged)).then(() => this.#ports.stored(key));
  }

  /**
   * Merges records that an exchange brought, under the ghost rule; nothing is changed when a time in any of them is too
   * far ahead (the clock included), or when one cannot be judged. What is damaged here is taken from the peer as it comes,
   * because a replica that lacks a record is not complete, whatever it has confirmed.
   * @param own where this node stands, `sender` where the peer stood when it sent them
   * @param refused by the peer of what this node had sent it: dropped in the same batch, before the records are merged
   */
  admit(
    records: readonly KeyedRecord[],
    own: Standing,
    sender: Standing,
    refused: readonly RefusedVersions[],
  ): Admitted | WriteFault | FloorsDiffer {
    const drift = this.#observeAll(records);
    if (drift !== undefined) return drift;
    this.#readAll([...refused, ...records]);
    if (own.floor !== sender.floor && !this.#admitsAll(records, own, sender, refused)) {
      return { code: "floors_differ" };
    }
    const merged: AdmittedRecord[] = [];
    const stored = new Stored();
    for (const ghosts of refused) this.#drop(ghosts, own.floor, stored);
    let disturbing = false;
    for (const { key, record } of records) {
      const of = this.latest(key);
      const admission = admit(of.record, record, standingWith(of, own), sender);
      if (admission === undefined) return { code: "floors_differ" };
      const { quarantined, alarming } = admission;
      const kept = admission.record === undefined ? undefined : this.#keep(key, admission.record, of, stored);
      merged.push({ key, record: kept, quarantined, alarming });
      disturbing ||= admission.disturbing;
    }
    this.#ports.clock.persist();
    return { merged, disturbing, committed: this.#committed(stored) };
  }

  /**
   * Merges records that came as mail, but for those that bring anything old this node does not know. Nothing is changed
   * when a time in any of them is too far ahead.
   * @param reached the larger of this node's floor and the sender's
   */
  takeMail(records: readonly KeyedRecord[], floor: HlcTime, reached: HlcTime): TakenMail | WriteFault {
    const drift = this.#observeAll(records);
    if (drift !== undefined) return drift;
    this.#readAll(records);
    const stored = new Stored();
    let disturbing = false;
    const changed = records.map(({ key, record }) => {
      const of = this.latest(key);
      const old = livingBelow(floor, reached, record);
      const isHealing = heals(record, of.lost, old);
      disturbing ||= isHealing && old.length > 0;
      const result = isHealing ? record : admitMail(of.record, record, floor, reached);
      const kept = result === undefined ? undefined : this.#keep(key, result, of, stored);
      return kept === of.record ? undefined : kept;
    });
    this.#ports.clock.persist();
    return { records: changed, disturbing, committed: this.#committed(stored) };
  }

  bounded(key: string, record: KeyRecord): KeyRecord {
    const bounded = boundSiblings(record, siblingLimit(this.#ports.conflicts, key));
    if (bounded.dropped.length > 0) this.#reportDropped(key, bounded.dropped);
    return bounded.record;
  }

  #reportDropped(key: string, dropped: readonly Sibling[]): void {
    this.#ports.metrics.count("hearsay_conflicts_dropped_total", dropped.length);
    // One that nobody else has met any more may come undone, which a value that falls off does not.
    const deletions = dropped.filter(({ kind }) => kind === "tombstone").length;
    this.#ports.log.warn("conflicts_dropped", { key, dropped: dropped.length, deletions });
  }

  #admitsAll(
    records: readonly KeyedRecord[],
    own: Standing,
    sender: Standing,
    refused: readonly RefusedVersions[],
  ): boolean {
    const versionsOf = new Map(refused.map(({ key, versions }) => [key, versions]));
    return records.every(({ key, record }) => {
      const of = this.latest(key);
      const left = of.record && dropRefused(of.record, versionsOf.get(key) ?? [], own.floor);
      return admit(left, record, standingWith(of, own), sender) !== undefined;
    });
  }

  /** Drops versions that a complete peer has refused. With the last sibling the context goes, too: it stood for that. */
  #drop({ key, versions }: RefusedVersions, floor: HlcTime, stored: Stored): void {
    const { store } = this.#ports;
    const { record: held } = this.latest(key);
    if (held === undefined) return;
    const left = dropRefused(held, versions, floor);
    if (left === held) return;
    stored.add(left === undefined ? store.remove(key) : store.put(key, left));
  }

  #observeAll(records: readonly KeyedRecord[]): WriteFault | undefined {
    let latest: HlcTime = 0;
    for (const { record } of records) latest = Math.max(latest, latestTime(record));
    return this.#ports.clock.observe(latest);
  }

  /**
   * Reads what all of these build on before anything is put. Where one cannot be read, nothing of the rest may be taken without what
   * follows from it. What is read again in the same turn is the same.
   * @throws the store's error
   */
  #readAll(keyed: readonly { readonly key: string }[]): void {
    for (const { key } of keyed) this.latest(key);
  }

  /** Stores what a key's record has become by merging, or waits for it to be stored when it is what it was. */
  #keep(key: string, merged: KeyRecord, { record: held, lost }: Readable, stored: Stored): KeyRecord {
    const result = this.bounded(key, merged);
    if (result === held) {
      // It may still be on its way to the disk, put there by mail or by a write of this node.
      stored.add(this.#ports.store.settled(key));
      return result;
    }
    if (lost !== undefined) this.#forgetLost(key, result, lost, stored);
    stored.keys.push(key);
    stored.add(this.#ports.store.put(key, result));
    return result;
  }

  #committed({ keys, commits }: Stored): Promise<void> {
    return Promise.all(commits).then(() => {
      for (const key of keys) this.#ports.stored(key);
    });
  }

  /**
   * The store heals a damaged key by a record that covers what was lost. A peer's record that does not is taken too, and
   * what was lost is no longer waited for: whoever still has it lists a record that differs, and so hands it over.
   */
  #forgetLost(key: string, record: KeyRecord, lost: readonly Version[], stored: Stored): void {
    const missing = lost.filter((version) => !covers(record.context, version));
    if (missing.length === 0) return;
    this.#ports.log.warn("damaged_versions_missing", { key, versions: missing.length });
    stored.add(this.#ports.store.remove(key));
  }
}

/**
 * Whether mail is to take the place of a damaged record. Of that the store still knows the versions: what covers them is
 * wanted, and of what is old those themselves. The rest is left to an exchange, as it is where nothing is damaged.
 */
function heals(record: KeyRecord, lost: readonly Version[] | undefined, old: readonly Sibling[]): boolean {
  if (lost?.some((version) => covers(record.context, version)) !== true) return false;
  return old.every(({ version }) => lost.some((known) => sameVersion(known, version)));
}

/** Who has lost a record is not complete as far as that is concerned. */
function standingWith({ lost }: Readable, own: Standing): Standing {
  return lost === undefined ? own : { floor: own.floor, complete: false };
}
