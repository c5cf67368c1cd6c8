/**
 * What one machine durably holds, mirrored from outside its store, and compared with what it holds after each commit and
 * each opening: nothing acknowledged goes, nothing regresses, nothing that went comes back.
 */
import {
  type Context,
  covers,
  type HlcTime,
  joinContexts,
  type KeyRecord,
  purgeableFrom,
  type Sibling,
} from "@hearsay/core";
import type { Machine } from "../cluster/machine.ts";
import type { Violation } from "../invariants/invariant.ts";
import { describeWrite, isCountedOn, type Write, type WriteLedger } from "../invariants/ledger.ts";
import { checkRecord, forgottenBy } from "../invariants/record-checks.ts";
import { comingBack, type Past, regression, withoutRefused } from "./given-up.ts";
import { Holding } from "./holding.ts";

export class ReplicaWatch {
  readonly machine: Machine;
  /** Its last incarnation was given up by an operator: what it alone holds need not be found again. */
  isGivenUp = false;
  /** It is a cluster of its own, beside that of the others: whatever it has counts for none of them. */
  isBeside = false;
  /** Virtual time since which the directory has never been lost, replaced or damaged. */
  wholeSinceMs: number;
  /** What it acknowledged may be gone at the next opening, because a disk was lost, replaced, or not synced. */
  mayLack = false;
  /** The directory is not the one that the present id has written: whoever goes on with it has to be another. */
  isOther = false;
  readonly #ledger: WriteLedger;
  #id = "";
  #records: Map<string, KeyRecord> = new Map();
  /** The greatest floor to which its store has been asked to purge. */
  #purgedTo: HlcTime = 0;
  /** Everything it ever held or covered. */
  #seen: Map<string, Context> = new Map();
  /** Of keys whose record was damaged: what it had held or covered before, in this directory. */
  readonly #seenBefore: Map<string, Context> = new Map();
  readonly #holding: Holding;
  /** Keys of which a record may be damaged: nobody can say what of them this incarnation still holds. */
  readonly #damaged: Set<string> = new Set();
  /** Keys of which a record could not be stored, and may turn out to be there. */
  readonly #failed: Set<string> = new Set();
  /** Records that are to be dropped on a peer's word, or a part of them, and whose change has not been told yet. */
  readonly #leaving: Set<string> = new Set();

  constructor(machine: Machine, ledger: WriteLedger, nowMs: number) {
    this.machine = machine;
    this.#ledger = ledger;
    this.#holding = new Holding(machine.name, ledger);
    this.wholeSinceMs = nowMs;
  }

  /** Of the last node that ran here; empty before the first. */
  get id(): string {
    return this.#id;
  }

  get records(): ReadonlyMap<string, KeyRecord> {
    return this.#records;
  }

  /** Whether it holds or covers the version, did before it purged it, or may have before its disk was damaged. */
  hasSeen(key: string, version: { readonly time: HlcTime; readonly node: string }): boolean {
    const seen = this.#seen.get(key);
    return (seen !== undefined && covers(seen, version)) || this.#damaged.has(key);
  }

  /** As {@link hasSeen}, or did before the record was damaged: what its claims were made of. */
  hadSeen(key: string, version: { readonly time: HlcTime; readonly node: string }): boolean {
    const before = this.#seenBefore.get(key);
    return (before !== undefined && covers(before, version)) || this.hasSeen(key, version);
  }

  /** Whether {@link records} may tell something else of a key than the store does: by damage, or as nobody was told of a change yet. */
  mayDiffer(key: string): boolean {
    if (this.#damaged.has(key) || this.#failed.has(key) || this.#leaving.has(key)) return true;
    const held = this.#records.get(key);
    return held !== undefined && this.#mayBePurged(held);
  }

  /** @param complete whether the node claims to be */
  committed(key: string, record: KeyRecord, complete: boolean): Violation | undefined {
    const refused = this.#refused(key, record);
    const held = this.#records.get(key);
    this.#damaged.delete(key);
    const violation =
      refused ??
      checkRecord(this.#ledger, key, record, { nowMs: this.machine.nowMs(), complete }) ??
      (held === undefined ? undefined : regression(this.machine.name, key, held, record)) ??
      (complete ? comingBack(this.#ledger, key, record, this.#past(key, held)) : undefined);
    this.#remember(key, record);
    return violation;
  }

  /** A record of the key could not be stored. */
  failed(key: string): void {
    this.#failed.add(key);
  }

  /** Gives the keys of {@link failed} since it was last called. */
  takeFailed(): readonly string[] {
    const failed = [...this.#failed];
    this.#failed.clear();
    return failed;
  }

  /** Whatever may go at the floor goes from now on, together with its context (docs/protocol.md, *Floor and purge*). */
  purging(floor: HlcTime): void {
    this.#purgedTo = Math.max(this.#purgedTo, floor);
  }

  /** The record that was purged before this one was stored, when nobody has been told of the purge yet. */
  purgedBefore(key: string, record: KeyRecord): KeyRecord | undefined {
    const held = this.#records.get(key);
    if (held === undefined || !this.#mayBePurged(held)) return undefined;
    return forgottenBy(record, held) === undefined ? undefined : held;
  }

  /** The record is gone: purged, or dropped. */
  removed(key: string): void {
    this.#records.delete(key);
    this.#leaving.delete(key);
  }

  /** The record was dropped on a peer's word. That must not be the last copy of what somebody still counts on. */
  dropped(key: string): Violation | undefined {
    const record = this.#records.get(key);
    this.removed(key);
    return record === undefined ? undefined : this.#droppedOf(record.siblings);
  }

  /** Of a record of which a part is to be dropped on a peer's word this is stored: what it does not cover has gone. */
  #refused(key: string, record: KeyRecord): Violation | undefined {
    const held = this.#records.get(key);
    if (held === undefined || !this.#leaving.has(key)) return undefined;
    const gone = held.siblings.filter(({ version }) => !covers(record.context, version));
    if (gone.length === 0) return undefined;
    this.#leaving.delete(key);
    // With the last sibling goes the context, and what takes the place need not cover what that did.
    if (gone.length === held.siblings.length) this.#records.delete(key);
    else this.#records.set(key, { context: withoutRefused(held.context, gone), siblings: held.siblings });
    return this.#droppedOf(gone);
  }

  #droppedOf(siblings: readonly Sibling[]): Violation | undefined {
    for (const { version } of siblings) {
      const write = this.#ledger.find(version);
      if (write === undefined || !this.#holding.lost(write)) continue;
      // Who has forgotten it takes it for a ghost, which is kept aside (docs/protocol.md, *Ghosts*).
      if (write.holders.size === 0 && write.isForgotten) write.isExcused = true;
      if (write.holders.size > 0 || !isCountedOn(write)) continue;
      return {
        invariant: "durability",
        detail: `${this.machine.name} dropped the last of ${describeWrite(write)}`,
      };
    }
    return undefined;
  }

  leaving(key: string): void {
    this.#leaving.add(key);
  }

  /** One record may be damaged on disk: it may come back as a peer has it, or not at all. */
  damaged(key: string): void {
    this.#damaged.add(key);
    this.#records.delete(key);
    const seen = this.#seen.get(key);
    if (seen !== undefined) this.#seenBefore.set(key, joinContexts(seen, this.#seenBefore.get(key) ?? seen));
    this.#seen.delete(key);
    for (const write of this.#ledger.of(key)) this.#lost(write);
  }

  /** A record goes from the disk, and its node does not notice. */
  forgot(key: string): void {
    this.#records.delete(key);
    for (const write of this.#ledger.of(key)) {
      if (this.hadSeen(key, write.version)) write.isForgotten = true;
      this.#lost(write);
    }
    this.#seen.delete(key);
  }

  /** A store was opened over the directory, and this is what it holds. */
  reopened(actual: ReadonlyMap<string, KeyRecord>, nowMs: number): Violation | undefined {
    let violation: Violation | undefined;
    for (const [key, record] of actual) {
      violation ??= checkRecord(this.#ledger, key, record, {
        nowMs: this.machine.nowMs(),
        complete: false,
      });
    }
    if (this.mayLack) this.#startAnew(actual, nowMs);
    else {
      for (const [key, held] of this.#records) violation ??= this.#missing(key, held, actual.get(key));
    }
    this.#leaving.clear();
    this.#failed.clear();
    this.#records = new Map();
    for (const [key, record] of actual) {
      if (this.isGivenUp) this.#excuse(key, record);
      this.#remember(key, record);
    }
    return violation;
  }

  /** A node of this id runs here now. A new one is a newcomer, whatever it has. */
  incarnated(id: string, nowMs: number): Violation | undefined {
    if (id === this.#id) {
      this.#ledger.restarted(id);
      if (!this.isOther) return undefined;
      const detail = `${this.machine.name} goes on as ${id}, though its directory may lack what that one had`;
      return { invariant: "regression", detail };
    }
    this.#id = id;
    this.isOther = false;
    this.wholeSinceMs = nowMs;
    this.#damaged.clear();
    if (!this.isGivenUp || this.isBeside) return undefined;
    this.isGivenUp = false;
    for (const [key, record] of this.#records) this.#remember(key, record);
    return undefined;
  }

  /**
   * The present incarnation was given up.
   * @param counts whether a machine counts as one that still has what this one had
   */
  giveUp(counts: (machine: string) => boolean): void {
    this.isGivenUp = true;
    for (const write of this.#ledger.all()) this.#lost(write, counts);
  }

  /** From now on it is given up, under whatever ids. */
  part(): void {
    this.isBeside = true;
    this.giveUp(() => true);
  }

  /**
   * A batch that was under way when the process was killed may have reached the disk with nobody told of it, and the machine
   * was given up since. What of it nobody else has was lost with that, as what it was known to hold is.
   */
  #excuse(key: string, { context }: KeyRecord): void {
    for (const write of this.#ledger.of(key)) {
      if (write.holders.size === 0 && covers(context, write.version)) write.isExcused = true;
    }
  }

  #startAnew(actual: ReadonlyMap<string, KeyRecord>, nowMs: number): void {
    this.mayLack = false;
    this.isOther = true;
    this.wholeSinceMs = nowMs;
    this.#purgedTo = 0;
    this.#seen = new Map();
    this.#seenBefore.clear();
    for (const write of this.#ledger.all()) {
      const record = actual.get(write.key);
      if (record === undefined || !covers(record.context, write.version)) this.#lost(write);
    }
  }

  #lost(write: Write, counts: (machine: string) => boolean = () => true): void {
    if (!this.#holding.lost(write)) return;
    if (![...write.holders].some(counts)) write.isExcused = true;
  }

  #remember(key: string, record: KeyRecord): void {
    this.#records.set(key, record);
    const seen = this.#seen.get(key);
    this.#seen.set(key, seen === undefined ? record.context : joinContexts(seen, record.context));
    this.#hold(key, record.context);
  }

  #hold(key: string, context: Context): void {
    if (!this.isGivenUp) {
      this.#holding.holds(key, context);
      return;
    }
    for (const write of this.#ledger.of(key)) if (covers(context, write.version)) write.wasHeld = true;
  }

  #past(key: string, held: KeyRecord | undefined): Past {
    return { machine: this.machine.name, nowMs: this.machine.nowMs(), seen: this.#seen.get(key), held };
  }

  #mayBePurged(record: KeyRecord): boolean {
    return (purgeableFrom(record) ?? Number.POSITIVE_INFINITY) <= this.#purgedTo;
  }

  /** Whether what was committed is not there after a stop. */
  #missing(key: string, held: KeyRecord, actual: KeyRecord | undefined): Violation | undefined {
    if (this.#mayBePurged(held)) return undefined;
    const isLeaving = this.#leaving.has(key);
    if (actual !== undefined) {
      const violation = isLeaving ? this.#refused(key, actual) : undefined;
      const left = this.#records.get(key);
      return violation ?? (left === undefined ? undefined : regression(this.machine.name, key, left, actual));
    }
    if (isLeaving) return undefined;
    return {
      invariant: "regression",
      detail: `${this.machine.name} held ${key} before it stopped, and does no more`,
    };
  }
}
