/**
 * Own writes whose commit is under way. The store commits many writes at once and gives all of them one promise, so
 * what follows a commit is done once for each promise and not once for each write.
 */
import type { HlcTime } from "@hearsay/core";

interface WriteGroup {
  /** Of its first write: times are issued in rising order. */
  readonly oldest: HlcTime;
  readonly keys: string[];
  readonly stored: Promise<void>;
  readonly settled: Promise<void>;
}

export class Uncommitted {
  readonly #onCommitted: (keys: readonly string[]) => void;
  readonly #onFailed: () => void;
  /** In the order of their times. */
  readonly #groups: Set<WriteGroup> = new Set();
  #newest: WriteGroup | undefined;

  /**
   * @param onCommitted is told the keys of the writes that were committed together
   * @param onFailed is called before {@link Uncommitted.oldest} passes writes that failed
   */
  constructor(onCommitted: (keys: readonly string[]) => void, onFailed: () => void) {
    this.#onCommitted = onCommitted;
    this.#onFailed = onFailed;
  }

  /** The time of the oldest write that is not committed; undefined when all are. */
  get oldest(): HlcTime | undefined {
    for (const { oldest } of this.#groups) return oldest;
    return undefined;
  }

  /**
   * @param stored what the store has promised
   * @returns settles as `stored` does, after {@link Uncommitted.oldest} has moved on; shared like `stored`
   */
  add(key: string, time: HlcTime, stored: Promise<void>): Promise<void> {
    if (this.#newest?.stored === stored) {
      this.#newest.keys.push(key);
      return this.#newest.settled;
    }
    const keys = [key];
    const settle = (): void => {
      this.#groups.delete(group);
      if (this.#newest === group) this.#newest = undefined;
    };
    const settled = stored.then(
      () => {
        settle();
        this.#onCommitted(keys);
      },
      (error: unknown) => {
        this.#onFailed();
        settle();
        throw error;
      },
    );
    const group: WriteGroup = { oldest: time, keys, stored, settled };
    this.#groups.add(group);
    this.#newest = group;
    return settled;
  }
}
