/**
 * One prefix that is watched: its readers, and what they have still to be told.
 *
 * They are told in batches, one behind the other. What waits for its batch is held, every version of it. When that becomes
 * too much the topic falls behind: what is held is let go of, and the log tells which keys have changed since, of which the
 * readers get the newest state. When the log has been overrun as well the records are looked at, once for all readers,
 * for what is newer than what they have been told.
 *
 * Invariant: a reader that has joined at a position of the log has been told of every change from there up to `position`,
 * or of a newer state of its key.
 */
import { Backlog, knownOf, type Part } from "./backlog.ts";
import type { WatchedChange } from "./changes.ts";
import { Delivery, Moment } from "./delivery.ts";
import type { WatchHub } from "./hub.ts";
import type { Teller } from "./pace.ts";

/** Someone who watches. */
export interface Reader {
  deliver(delivery: Delivery): void;
  /**
   * Comes every so often.
   * @param now this node's cursor; undefined while something waits to be told
   * @param isCaughtUp what the reader has been told is the state of a node that had caught up
   */
  tick(now: (() => Moment) | undefined, isCaughtUp: boolean): void;
  /** The node stops, or cannot go on: the reader's last cursor does. */
  end(): void;
}

/** What all topics hold together, by estimate. */
export interface Held {
  bytes: number;
}

interface HeldChange {
  readonly change: WatchedChange;
  readonly position: number;
  readonly sequence: number;
}

/** A batch on its way. */
interface Round {
  readonly delivery: Delivery;
  /** Positions of the log: those who joined at `through` or behind it know all of it. */
  readonly from: number;
  readonly through: number;
  readonly left: Iterator<[Reader, number]>;
}

interface Look {
  readonly from: number;
  readonly parts: AsyncIterator<Part>;
  /** Undefined while it is being read. */
  found: readonly WatchedChange[] | undefined;
}

interface Mark {
  /** All that the moment speaks of is before it. */
  readonly position: number;
  readonly moment: Moment;
  readonly isCaughtUp: boolean;
}

/** Enough for a write to a socket to be worth its costs; small enough that a turn of a thousand does not take long. */
const BATCH_BYTES = 128 * 1024;

export class Topic implements Teller {
  readonly readers: Map<Reader, number> = new Map();
  readonly #hub: WatchHub;
  readonly #prefix: string;
  readonly #all: Held;
  readonly #onFound: (topic: Topic) => void;
  #held: HeldChange[] = [];
  #heldBytes = 0;
  #behind: Backlog | undefined;
  #look: Look | undefined;
  #round: Round | undefined;
  #passed: Mark;
  /** Becomes what is passed once it has been told as far. */
  #mark: Mark | undefined;

  /** @param onFound there is more to tell, for which it waited */
  constructor(hub: WatchHub, prefix: string, all: Held, onFound: (topic: Topic) => void) {
    this.#hub = hub;
    this.#prefix = prefix;
    this.#all = all;
    this.#onFound = onFound;
    this.#passed = this.#now(hub.moment());
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Of the first change in the log that some reader may not have been told of. */
  get position(): number {
    return this.#round?.from ?? this.#untold;
  }

  get isCurrent(): boolean {
    return this.position >= this.#hub.log.end;
  }

  get wasCaughtUp(): boolean {
    return this.#passed.isCaughtUp;
  }

  /** All that the moment speaks of has been told. */
  pass(moment: Moment): void {
    this.#passed = this.#now(moment);
    this.#mark = undefined;
  }

  hold(change: WatchedChange, position: number, sequence: number): void {
    if (this.#behind !== undefined) return;
    this.#held.push({ change, position, sequence });
    this.#count(change.bytes);
  }

  /** Lets go of what it holds; the log goes on from there. */
  fallBehind(): void {
    const [first] = this.#held;
    if (first === undefined) return;
    this.#hub.count("behind");
    this.#behind = new Backlog(this.#hub, this.#prefix);
    this.#behind.goTo(first.position);
    this.close();
  }

  close(): void {
    this.#held = [];
    this.#count(-this.#heldBytes);
  }

  tell(isOver: () => boolean): boolean {
    do {
      this.#round ??= this.#next();
      if (this.#round === undefined) return false;
      const { delivery, through, left } = this.#round;
      const next = left.next();
      if (next.done === true) this.#round = undefined;
      else if (next.value[1] < through) next.value[0].deliver(delivery);
    } while (!isOver());
    return true;
  }

  get #untold(): number {
    return this.#look?.from ?? this.#held[0]?.position ?? this.#behind?.position ?? this.#hub.log.end;
  }

  #next(): Round | undefined {
    const from = this.#untold;
    const isLook = this.#look !== undefined;
    const changes = this.#held.length > 0 ? this.#takeHeld() : this.#takeBehind();
    if (changes.length === 0) return undefined;
    this.#hub.count("events", changes.length);
    // Who joined after a look had begun may know something newer than it has found.
    const through = this.#behind?.position ?? this.#untold;
    const delivery = new Delivery(changes, isLook ? undefined : this.#cursor());
    return { delivery, from, through, left: this.readers.entries() };
  }

  /** Nobody is told what was committed before he joined: he knows something newer. */
  #takeHeld(): WatchedChange[] {
    const first = this.#held[0]?.position ?? 0;
    let before = Number.POSITIVE_INFINITY;
    for (const joinedAt of this.readers.values()) if (joinedAt > first) before = Math.min(before, joinedAt);
    const changes: WatchedChange[] = [];
    let bytes = 0;
    for (const { change, position } of this.#held) {
      if (position >= before || (bytes > 0 && bytes + change.bytes > BATCH_BYTES)) break;
      changes.push(change);
      bytes += change.bytes;
    }
    this.#held.splice(0, changes.length);
    this.#count(-bytes);
    return changes;
  }

  #takeBehind(): readonly WatchedChange[] {
    if (this.#behind === undefined) return [];
    if (this.#look !== undefined) return this.#takeFound(this.#look);
    const from = this.#behind.position;
    try {
      const changes = this.#behind.take();
      if (changes === undefined) this.#beginLook(this.#behind, from);
      else if (changes.length === 0) this.#behind = undefined;
      return changes ?? [];
    } catch (error) {
      this.#fail(error);
      return [];
    }
  }

  #beginLook(behind: Backlog, from: number): void {
    this.#hub.count("overruns");
    const parts = behind.again(knownOf(this.#passed.moment.cursor));
    this.#mark = this.#now(this.#hub.moment());
    const look = { from, parts, found: undefined };
    this.#look = look;
    this.#read(look);
  }

  #takeFound(look: Look): readonly WatchedChange[] {
    const { found } = look;
    if (found === undefined) return [];
    look.found = undefined;
    this.#read(look);
    return found;
  }

  #read(look: Look): void {
    look.parts.next().then(
      (part) => {
        if (part.done === true) this.#look = undefined;
        else if (typeof part.value === "string") return this.#end();
        else look.found = part.value;
        this.#onFound(this);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** What is stored cannot be read: their cursors go on elsewhere, or later. */
  #fail(error: unknown): void {
    this.#hub.warn("watchers_not_told", error);
    this.#end();
  }

  #count(bytes: number): void {
    this.#heldBytes += bytes;
    this.#all.bytes += bytes;
  }

  #end(): void {
    for (const reader of [...this.readers.keys()]) reader.end();
  }

  /** Behind what is about to be told. While more waits, others are told that less is known: what was passed last. */
  #cursor(): Moment | undefined {
    const untold = this.#untold;
    if (untold >= this.#hub.log.end) {
      this.pass(this.#hub.moment());
      return this.#passed.moment;
    }
    if (this.#mark !== undefined && this.#mark.position <= untold) {
      this.#passed = this.#mark;
      this.#mark = undefined;
    }
    this.#mark ??= this.#now(this.#hub.moment());
    const next = this.#held[0]?.sequence ?? this.#hub.log.at(untold)?.sequence;
    if (next === undefined) return undefined;
    return new Moment({ ...this.#passed.moment.cursor, sequence: next - 1 });
  }

  #now(moment: Moment): Mark {
    return { position: this.#hub.log.end, moment, isCaughtUp: this.#hub.standing().isCaughtUp };
  }
}
