/**
 * The newest changes of this node, in the order of its commits: what lets readers go on without a look at every key.
 *
 * Invariant: it has every change that was committed after `sequence` of {@link ChangeLog.fallen}; every version that was
 * committed before is at or below what `fallen` says of its origin.
 *
 * Bound: `maxBytes`, by estimate; the oldest fall out.
 */
import { type Claims, claimedThrough, type HlcTime, type NodeId, type Version } from "@hearsay/core";

export interface LogEntry {
  readonly key: string;
  readonly sequence: number;
  readonly version: Version;
}

/** An entry beside its key, and what a unit of the key's text takes at most. */
const ENTRY_BYTES = 120;
const UNIT_BYTES = 2;

/** Origins that are told apart in what has fallen out; beyond it all stand at the latest time. */
const MAX_ORIGINS = 1024;

export class ChangeLog {
  readonly #maxBytes: number;
  #entries: LogEntry[] = [];
  /** Of what fell out, the rest of the array is still to be cut off. */
  #head = 0;
  /** The position of the entry at `#head`; positions count all entries there ever were. */
  #start = 0;
  #bytes = 0;
  #fallenSequence: number;
  /** Every version in the store when the log began is at or below it. */
  #fallenThrough: HlcTime;
  #fallenByOrigin: Map<NodeId, HlcTime> = new Map();
  /** The newest entry of each key that has one; made when it is first asked for, as most nodes are never asked. */
  #newest: Map<string, number> | undefined;

  /** @param knownThrough no version that is stored already is later */
  constructor(maxBytes: number, sequence: number, knownThrough: HlcTime) {
    this.#maxBytes = maxBytes;
    this.#fallenSequence = sequence;
    this.#fallenThrough = knownThrough;
  }

  /** The position of the oldest entry. */
  get start(): number {
    return this.#start;
  }

  /** Behind the newest. */
  get end(): number {
    return this.#start + this.#entries.length - this.#head;
  }

  get size(): number {
    return this.end - this.start;
  }

  /** All changes after this sequence are here. */
  get fallen(): number {
    return this.#fallenSequence;
  }

  append(entry: LogEntry): void {
    this.#newest?.set(entry.key, this.end);
    this.#entries.push(entry);
    this.#bytes += bytesOf(entry);
    while (this.#bytes > this.#maxBytes && this.size > 1) this.#drop();
    if (this.#head > this.size) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Undefined for a position that holds none, or none any more. */
  at(position: number): LogEntry | undefined {
    return position < this.#start ? undefined : this.#entries[this.#head + position - this.#start];
  }

  /** Where the changes after a sequence of this node begin; undefined when they are not all here. */
  positionAfter(sequence: number): number | undefined {
    if (sequence < this.#fallenSequence) return undefined;
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle)?.sequence ?? 0) > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether every version that is stored and not here is claimed, so that a look at the log is enough. */
  completes(claims: Claims, table: string): boolean {
    const { entries, base } = claims;
    if (claims.table !== table || base < this.#fallenThrough) return false;
    for (const time of entries.values()) if (time < this.#fallenThrough) return false;
    for (const [origin, time] of this.#fallenByOrigin) {
      if (claimedThrough(claims, origin, table) < time) return false;
    }
    return true;
  }

  /** The sequence of the newest change to the key; if there is none here, of the newest that may have been one. */
  lastOfKey(key: string): number {
    this.#newest ??= this.#positions();
    const position = this.#newest.get(key);
    return position === undefined ? this.#fallenSequence : (this.at(position)?.sequence ?? 0);
  }

  /** The same for all keys with the prefix; looks at entries until one matches. */
  lastOfPrefix(prefix: string): number {
    for (let position = this.end - 1; position >= this.#start; position--) {
      const entry = this.at(position);
      if (entry?.key.startsWith(prefix)) return entry.sequence;
    }
    return this.#fallenSequence;
  }

  #positions(): Map<string, number> {
    const positions = new Map<string, number>();
    for (let position = this.#start; position < this.end; position++) {
      const entry = this.at(position);
      if (entry !== undefined) positions.set(entry.key, position);
    }
    return positions;
  }

  #drop(): void {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return;
    if (this.#newest?.get(entry.key) === this.#start) this.#newest.delete(entry.key);
    this.#head += 1;
    this.#start += 1;
    this.#bytes -= bytesOf(entry);
    this.#fallenSequence = entry.sequence;
    const { node, time } = entry.version;
    this.#fallenByOrigin.set(node, Math.max(time, this.#fallenByOrigin.get(node) ?? 0));
    if (this.#fallenByOrigin.size > MAX_ORIGINS) {
      this.#fallenThrough = Math.max(this.#fallenThrough, ...this.#fallenByOrigin.values());
      this.#fallenByOrigin = new Map();
    }
  }
}

function bytesOf({ key }: LogEntry): number {
  return ENTRY_BYTES + UNIT_BYTES * key.length;
}
