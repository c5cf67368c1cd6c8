/**
 * Who watches which prefix, and what waits for them.
 *
 * Bound: `maxHeldBytes` are held, by estimate; beyond it the prefix that holds most falls behind.
 */
import type { WatchedChange } from "./changes.ts";
import type { WatchHub } from "./hub.ts";
import type { Pace } from "./pace.ts";
import { PrefixMap } from "./prefix-map.ts";
import { type Held, type Reader, Topic } from "./topic.ts";

export class Topics {
  readonly #hub: WatchHub;
  readonly #pace: Pace;
  readonly #maxHeldBytes: number;
  readonly #topics: PrefixMap<Topic> = new PrefixMap();
  readonly #held: Held = { bytes: 0 };

  constructor(hub: WatchHub, pace: Pace, maxHeldBytes: number) {
    this.#hub = hub;
    this.#pace = pace;
    this.#maxHeldBytes = maxHeldBytes;
  }

  get all(): readonly Topic[] {
    return this.#topics.values();
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Changes in the log from the first on that somebody may not have been told of. */
  get lag(): number {
    const { end } = this.#hub.log;
    return this.all.reduce((most, { position }) => Math.max(most, end - position), 0);
  }

  join(prefix: string, reader: Reader): () => void {
    const topic = this.#topics.get(prefix) ?? this.#open(prefix);
    topic.readers.set(reader, this.#hub.log.end);
    return () => {
      if (!topic.readers.delete(reader) || topic.readers.size > 0) return;
      this.#topics.delete(prefix);
      this.#pace.remove(topic);
      topic.close();
    };
  }

  matching(key: string): readonly Topic[] {
    return this.#topics.matching(key);
  }

  /** Keeps a change for those who watch its key. */
  hold(topics: readonly Topic[], change: WatchedChange, position: number, sequence: number): void {
    for (const topic of topics) {
      topic.hold(change, position, sequence);
      this.#pace.add(topic);
    }
    while (this.#held.bytes > this.#maxHeldBytes) this.#largest().fallBehind();
  }

  #largest(): Topic {
    return this.all.reduce((one, other) => (other.heldBytes > one.heldBytes ? other : one));
  }

  #open(prefix: string): Topic {
    const onFound = (topic: Topic): void => {
      if (this.#topics.get(prefix) === topic) this.#pace.add(topic);
    };
    const topic = new Topic(this.#hub, prefix, this.#held, onFound);
    this.#topics.set(prefix, topic);
    return topic;
  }
}
