/**
 * Own writes whose commit is under way. The store commits many writes at once and gives all of them one promise, so
 * what follows a commit is done once for each promise and not once for each write.
 */
import { type HlcTime, TransientMap } from "@hearsay/core";

interface WriteGroup {
  /** Of its first write: times are issued in rising order. */
  readonly oldest: HlcTime;
  readonly keys: string[];
  readonly settled: Promise<void>;
}

export class Uncommitted {
  readonly #onCommitted: (keys: readonly string[]) => void;
  readonly #onFailed: (oldest: HlcTime) => void;
  /** By what the store has promised, in the order of their times. */
  readonly #groups: TransientMap<Promise<void>, WriteGroup> = new TransientMap();

  /**
   * @param onCommitted is told the keys of the writes that were committed together
   * @param onFailed is told the oldest of the writes that failed together, before {@link Uncommitted.oldest} passes them
   */
  constructor(onCommitted: (keys: readonly string[]) => void, onFailed: (oldest: HlcTime) => void) {
    this.#onCommitted = onCommitted;
    this.#onFailed = onFailed;
  }

  /** The time of the oldest write whose commit is under way; undefined when none is. */
  get oldest(): HlcTime | undefined {
    for (const { oldest } of this.#groups.values()) return oldest;
    return undefined;
  }

  /**
   * @param stored what the store has promised
   * @returns settles as `stored` does, after {@link Uncommitted.oldest} has moved on; shared like `stored`
   */
  add(key: string, time: HlcTime, stored: Promise<void>): Promise<void> {
    const group = this.#groups.get(stored);
    if (group !== undefined) {
      group.keys.push(key);
      return group.settled;
    }
    const keys = [key];
    const settled = stored.then(
      () => {
        this.#groups.delete(stored);
        this.#onCommitted(keys);
      },
      (error: unknown) => {
        this.#onFailed(time);
        this.#groups.delete(stored);
        throw error;
      },
    );
    this.#groups.set(stored, { oldest: time, keys, settled });
    return settled;
  }
}
