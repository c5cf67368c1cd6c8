/** Who watches which prefix. What a key's change costs depends on how many lengths the prefixes have, not how many there are. */
import type { WatchedChange } from "./changes.ts";
import type { Delivery, Moment } from "./delivery.ts";

/** Someone who watches. */
export interface Reader {
  deliver(delivery: Delivery): void;
  /** Comes every so often. @param now this node's cursor behind all that was delivered */
  tick(now: () => Moment, isCaughtUp: boolean): void;
  /** The node stops. */
  end(): void;
}

interface Topic {
  readonly readers: Set<Reader>;
  changes: WatchedChange[];
}

export class Topics {
  readonly #topics: Map<string, Topic> = new Map();
  /** How many prefixes there are of each length. */
  readonly #lengths: Map<number, number> = new Map();
  readonly #waiting: Set<Topic> = new Set();
  #pending = 0;

  /** Changes that are kept for {@link Topics.take}, once for each prefix. */
  get pending(): number {
    return this.#pending;
  }

  join(prefix: string, reader: Reader): () => void {
    let topic = this.#topics.get(prefix);
    if (topic === undefined) {
      topic = { readers: new Set(), changes: [] };
      this.#topics.set(prefix, topic);
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    }
    const { readers } = topic;
    readers.add(reader);
    return () => {
      if (readers.delete(reader) && readers.size === 0) this.#close(prefix);
    };
  }

  isWatched(key: string): boolean {
    for (const length of this.#lengths.keys()) {
      if (length <= key.length && this.#topics.has(key.slice(0, length))) return true;
    }
    return false;
  }

  /** Keeps a change for those who watch its key; false when nobody does. */
  add(change: WatchedChange): boolean {
    const { key } = change;
    let isWatched = false;
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const topic = this.#topics.get(length === key.length ? key : key.slice(0, length));
      if (topic === undefined) continue;
      topic.changes.push(change);
      this.#waiting.add(topic);
      this.#pending += 1;
      isWatched = true;
    }
    return isWatched;
  }

  /** What was kept since the last time. */
  take(): { readonly changes: readonly WatchedChange[]; readonly readers: ReadonlySet<Reader> }[] {
    const taken = [...this.#waiting].map((topic) => {
      const { changes, readers } = topic;
      topic.changes = [];
      return { changes, readers };
    });
    this.#waiting.clear();
    this.#pending = 0;
    return taken;
  }

  *readers(): Iterable<Reader> {
    for (const { readers } of [...this.#topics.values()]) yield* [...readers];
  }

  #close(prefix: string): void {
    this.#topics.delete(prefix);
    const left = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
  }
}
