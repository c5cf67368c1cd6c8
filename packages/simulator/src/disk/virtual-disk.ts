/**
 * A disk under the store: batches take time, are synced or not, and get lost as on a real one.
 *
 * What is modelled is LevelDB over a file system: a batch is atomic; a synced one makes all before it durable; a crash of
 * the process leaves what the operating system has; a loss of power leaves the synced batches, those that the operating
 * system has written back by itself, and of the later ones any that happened to be written, holes included (LevelDB
 * replays a damaged log without an error). The side file of the commit sequence is never synced.
 */
import { type RandomSource, randomBelow } from "@hearsay/core";
import type { Database, DatabaseBatch, DatabaseFactory, SequenceFile } from "@hearsay/store";
import type { Platform } from "../platform.ts";
import type { VirtualTime } from "../time/virtual-time.ts";
import { type DiskContents, type DiskEntry, entriesOf, fill } from "./contents.ts";
import { DiskHandle, type Operation } from "./disk-handle.ts";

/** How long a batch takes: between these, evenly. 0 to 0: no time at all. */
export interface DiskLatency {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** A batch that was applied and not synced, with what was there before. */
interface Unsynced {
  readonly atMs: number;
  readonly operations: readonly Operation[];
  readonly before: readonly Operation[];
}

/** What a loss of power did. */
export interface PowerLoss {
  /** Batches that were acknowledged as buffered and are gone. */
  readonly acknowledged: number;
  /** Batches that are gone, those under way included. */
  readonly lost: number;
  /** A batch that was being written is gone, or one in the middle while a later one is there. */
  readonly torn: boolean;
}

/** What has waited so long is written back without being asked for (Linux: `vm.dirty_expire_centisecs`). */
const WRITE_BACK_MS = 30_000;
/** Old values of the side file that a loss of power may bring back. */
const SIDE_FILE_HISTORY = 4;

export class VirtualDisk {
  latency: DiskLatency = { leastMs: 0, mostMs: 0 };
  isFull = false;
  /** What is refused is on the disk nonetheless: it was written, and its sync failed. */
  keepsRefused = false;
  /** What a full disk answers; one that fails answers otherwise. */
  refusal = "No space left on device";
  /** Changes with every boot of the machine. */
  boot = 1;
  /** Changes when the directory is copied, restored or made anew. */
  directory = 1;
  /** Batches applied so far. */
  batches = 0;
  /** Batches refused because the disk was full. */
  refused = 0;
  /** Bits flipped so far. */
  flips = 0;
  readonly #platform: Platform;
  readonly #time: VirtualTime;
  readonly #random: RandomSource;
  #database: Database;
  #isOpen = false;
  #handle: DiskHandle | undefined;
  #unsynced: Unsynced[] = [];
  /** Batches that were refused and are in the log all the same: they are seen when the log is replayed. */
  #unseen: (readonly Operation[])[] = [];
  #sequences: number[] = [0];

  constructor(platform: Platform, time: VirtualTime, random: RandomSource) {
    this.#platform = platform;
    this.#time = time;
    this.#random = random;
    this.#database = platform.newDatabase();
  }

  get environment(): { readonly bootId: string; readonly directoryStamp: string } {
    return { bootId: `boot ${this.boot}`, directoryStamp: `directory ${this.directory}` };
  }

  /** A handle for one run of a process. @param run calls back when that process gets its turn, if it still lives */
  factory(run: (callback: () => void) => void): DatabaseFactory {
    return () => {
      this.#handle = new DiskHandle(this, run);
      return this.#handle;
    };
  }

  readonly sequenceFile: SequenceFile = {
    read: () => this.#sequences.at(-1) ?? 0,
    write: (sequence) => {
      this.#sequences.push(sequence);
      if (this.#sequences.length > SIDE_FILE_HISTORY) this.#sequences.shift();
    },
  };

  async open(): Promise<Database> {
    if (!this.#isOpen) await this.#database.open({ createIfMissing: true });
    this.#isOpen = true;
    return this.#database;
  }

  /** Keeps a batch that was refused, until {@link replay}. */
  keepUnseen(operations: readonly Operation[]): void {
    this.#unseen.push(operations);
  }

  /** As LevelDB does with its log when a process opens the database: what it finds there it puts into tables, synced. */
  async replay(): Promise<void> {
    for (const operations of this.#unseen.splice(0)) await this.apply(operations, true);
  }

  get database(): Database {
    return this.#database;
  }

  /** Settles after the time a batch takes; at once when it takes none. */
  after(done: () => void): void {
    const { leastMs, mostMs } = this.latency;
    if (mostMs === 0) done();
    else this.#time.after(leastMs + this.#random.next() * (mostMs - leastMs), done);
  }

  /** Makes a batch visible; what was there before is kept until it is synced. */
  async apply(operations: readonly Operation[], sync: boolean): Promise<void> {
    this.batches += 1;
    this.#writeBack();
    if (sync) this.#unsynced = [];
    else
      this.#unsynced.push({ atMs: this.#time.monotonicMs(), operations, before: this.#before(operations) });
    await this.#write(operations);
  }

  /**
   * Ends the process that has the disk open: of a batch under way, the operating system may have everything or nothing.
   * @returns batches that are gone
   */
  async crash(): Promise<number> {
    const underWay = this.#handle?.detach() ?? [];
    this.#handle = undefined;
    const kept = randomBelow(this.#random, underWay.length + 1);
    for (const { operations, sync } of underWay.slice(0, kept)) await this.apply(operations, sync);
    return underWay.length - kept;
  }

  /** Cuts the power. What was synced stays. */
  async losePower(): Promise<PowerLoss> {
    const underWay = await this.crash();
    this.boot += 1;
    const side = randomBelow(this.#random, this.#sequences.length);
    this.#sequences = [this.#sequences[side] ?? 0];
    this.#writeBack();
    const unsynced = this.#unsynced;
    this.#unsynced = [];
    this.#unseen = [];
    for (const { before } of [...unsynced].reverse()) await this.#write(before);
    const kept = randomBelow(this.#random, unsynced.length + 1);
    const hole = this.#random.next() < 0.3 ? randomBelow(this.#random, kept + 1) : kept;
    let acknowledged = unsynced.length - kept;
    for (const [i, { operations }] of unsynced.slice(0, kept).entries()) {
      if (i === hole) acknowledged += 1;
      else await this.#write(operations);
    }
    return { acknowledged, lost: acknowledged + underWay, torn: underWay > 0 || hole < kept - 1 };
  }

  /** A new, empty directory in the place of this one. */
  wipe(): void {
    this.#handle?.detach();
    this.#handle = undefined;
    this.#database = this.#platform.newDatabase();
    this.#isOpen = false;
    this.#unsynced = [];
    this.#unseen = [];
    this.#sequences = [0];
    this.directory += 1;
  }

  /** The contents as they are now, whether synced or not. */
  async copy(): Promise<DiskContents> {
    return { entries: await entriesOf(await this.open()), sequence: this.sequenceFile.read() };
  }

  /** Puts a copy in the place of the directory. */
  async restore(copy: DiskContents): Promise<void> {
    this.wipe();
    await fill(await this.open(), copy.entries);
    this.#sequences = [copy.sequence];
  }

  /**
   * An entry goes, and what else there is about the same.
   * @param which the entries that are in question, `also` the others that go with one
   * @returns the entry's key; undefined when no entry is in question
   */
  async lose(
    which: (key: Uint8Array) => boolean,
    also: (lost: Uint8Array, key: Uint8Array) => boolean,
  ): Promise<Uint8Array | undefined> {
    const keys = (await entriesOf(await this.open())).map(([key]) => key);
    const candidates = keys.filter(which);
    const lost = candidates[randomBelow(this.#random, candidates.length)];
    if (lost === undefined) return undefined;
    const gone = keys.filter((key) => key === lost || also(lost, key));
    await this.#write(gone.map((key) => ({ key, value: undefined })));
    return lost;
  }

  /**
   * Flips one bit in the value of one entry.
   * @param which the entries that are in question
   * @returns the entry's key; undefined when no entry is in question
   */
  async flip(which: (key: Uint8Array) => boolean): Promise<Uint8Array | undefined> {
    const database = await this.open();
    const entries = (await entriesOf(database)).filter(([key, value]) => which(key) && value.length > 0);
    const found = entries[randomBelow(this.#random, entries.length)];
    if (found === undefined) return undefined;
    const [key, value] = found;
    this.flips += 1;
    const flipped = Uint8Array.from(value);
    const at = randomBelow(this.#random, flipped.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << randomBelow(this.#random, 8));
    await this.#write([{ key, value: flipped }]);
    return key;
  }

  /** Entries change behind everybody's back. @param change what becomes of those that there are */
  async change(change: (entries: readonly DiskEntry[]) => readonly Operation[]): Promise<void> {
    await this.#write(change(await entriesOf(await this.open())));
  }

  #writeBack(): void {
    const untilMs = this.#time.monotonicMs() - WRITE_BACK_MS;
    const first = this.#unsynced.findIndex(({ atMs }) => atMs > untilMs);
    this.#unsynced.splice(0, first === -1 ? this.#unsynced.length : first);
  }

  #before(operations: readonly Operation[]): Operation[] {
    return operations.map(({ key }) => ({ key, value: this.#database.getSync(key) })).reverse();
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    const batch: DatabaseBatch = this.#database.batch();
    for (const { key, value } of operations) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    await batch.write({ sync: true });
  }
}
