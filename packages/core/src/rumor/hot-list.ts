import type { NodeId } from "../identity.ts";
import { type RandomSource, randomBelow } from "../random.ts";
import { TransientMap } from "../transient-map.ts";
import type { Version } from "../version.ts";
import { type Rumor, rumorOverheadBytes } from "./messages.ts";

/**
 * - `write`: a client's write that this node coordinates; its holders are told as events.
 * - `peer`: learned as a rumor.
 * - `repair`: found by anti-entropy or read repair. Others probably hold it, so it is offered by version only.
 */
export type RumorOrigin = "write" | "peer" | "repair";

/** A rumor this node still spreads, and what it has learned about who needs it. */
export class HotRumor implements Rumor {
  readonly key: string;
  readonly versions: readonly Version[];
  readonly sizeBytes: number;
  readonly hops: number;
  readonly mailed: boolean;
  readonly origin: RumorOrigin;
  /** Peers known to hold it, that the coordinator waits for. */
  acks: number;
  /** Peers known to hold it so far. */
  held = 0;
  /** Peers not worth another contact, because they hold it, will, or refuse it. Made when needed: mail needs none. */
  #settled: Set<NodeId> | undefined;
  sends = 0;
  rounds = 0;
  /** Contacts queued or in flight. */
  pending = 0;
  needless = 0;
  /** What those who pulled it since the last round said. */
  pulled: "unheard" | "needless" | "useful" = "unheard";
  alive = true;

  constructor(rumor: Rumor, origin: RumorOrigin, acks: number) {
    this.key = rumor.key;
    this.versions = rumor.versions;
    this.sizeBytes = rumor.sizeBytes;
    this.hops = rumor.hops;
    this.mailed = rumor.mailed;
    this.origin = origin;
    this.acks = acks;
  }

  get settledPeers(): number {
    return this.#settled?.size ?? 0;
  }

  isSettled(peer: NodeId): boolean {
    return this.#settled?.has(peer) ?? false;
  }

  /** Remembers at most `max` peers, and those it waits for. Mail goes to each peer once and remembers nothing. */
  settle(peer: NodeId, max: number): void {
    if (this.mailed || this.settledPeers >= Math.max(max, this.acks)) return;
    this.#settled ??= new Set();
    this.#settled.add(peer);
  }
}

export interface InterestRules {
  readonly loss: "feedback_counter" | "blind_coin";
  readonly k: number;
}

/** Whether the rumor loses interest by this contact (Demers et al. 1987, section 1.4). */
export function losesInterest(
  rumor: HotRumor,
  contact: "useful" | "needless",
  rules: InterestRules,
  random: RandomSource,
): boolean {
  if (rules.loss === "blind_coin") return randomBelow(random, rules.k) === 0;
  rumor.needless = contact === "useful" ? 0 : rumor.needless + 1;
  return rumor.needless >= rules.k;
}

/**
 * The hot rumors by key, in the order they became hot. Invariant: at most `maxEntries`, and at most `maxBytes` of keys and
 * versions; what no longer fits pushes out the oldest, which has spread furthest.
 */
export class HotList {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #rumors = new TransientMap<string, HotRumor>();
  #bytes = 0;

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#rumors.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): HotRumor | undefined {
    return this.#rumors.get(key);
  }

  values(): Iterable<HotRumor> {
    return this.#rumors.values();
  }

  /** Replaces an older rumor of the same key. Returns what was pushed out to make room. */
  add(rumor: HotRumor): readonly HotRumor[] {
    const replaced = this.#rumors.get(rumor.key);
    if (replaced !== undefined) this.delete(replaced);
    this.#rumors.set(rumor.key, rumor);
    this.#bytes += rumorOverheadBytes(rumor);
    const dropped: HotRumor[] = [];
    for (const oldest of this.#rumors.values()) {
      if (this.#rumors.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
      dropped.push(oldest);
    }
    return dropped;
  }

  delete(rumor: HotRumor): void {
    rumor.alive = false;
    if (this.#rumors.get(rumor.key) !== rumor) return;
    this.#rumors.delete(rumor.key);
    this.#bytes -= rumorOverheadBytes(rumor);
  }
}
