/**
 * Peer sampling with a partial view, by Cyclon (Voulgaris, Gavidia and van Steen, "CYCLON: Inexpensive Membership
 * Management for Unstructured P2P Overlays", 2005, section 3): neighbours swap parts of their views, oldest pointer first.
 *
 * Invariants: the view never names this node, names each other node at most once and has at most `viewSize` entries. A
 * shuffle moves pointers and drops none but the one it follows, so the overlay stays connected; a peer that is gone
 * is not named anew, ages, is contacted for it and removed.
 */
import type { Effect, Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { type RandomSource, shuffled } from "../random.ts";
import type { PeerSampler } from "./peer-sampler.ts";

export interface CyclonOptions {
  /** Peers in the view. The overlay stays in one piece with some more than log2 n. */
  readonly viewSize: number;
  /** Entries in a shuffle, at most `viewSize`. */
  readonly shuffleLength: number;
  readonly intervalMs: number;
  readonly requestTimeoutMs: number;
}

export const DEFAULT_CYCLON_OPTIONS: CyclonOptions = {
  // The paper's smaller setting: enough for 100,000 nodes with half of them gone.
  viewSize: 20,
  shuffleLength: 8,
  intervalMs: 2000,
  requestTimeoutMs: 1000,
};

export type CyclonOptionsFault =
  | { readonly code: "option_out_of_range"; readonly option: keyof CyclonOptions; readonly min: number }
  | {
      readonly code: "option_exceeds";
      readonly option: keyof CyclonOptions;
      readonly other: keyof CyclonOptions;
    };

export function validateCyclonOptions(options: CyclonOptions): readonly CyclonOptionsFault[] {
  const faults: CyclonOptionsFault[] = [];
  const names = ["viewSize", "shuffleLength", "intervalMs", "requestTimeoutMs"] as const;
  for (const option of names) {
    if (!(options[option] >= 1)) faults.push({ code: "option_out_of_range", option, min: 1 });
  }
  if (options.shuffleLength > options.viewSize) {
    faults.push({ code: "option_exceeds", option: "shuffleLength", other: "viewSize" });
  }
  return faults;
}

export interface ViewEntry {
  readonly peer: Peer;
  /** Shuffles since the named peer made the entry. */
  readonly age: number;
}

export interface ShuffleRequest {
  readonly kind: "shuffle";
  readonly entries: readonly ViewEntry[];
}

export interface ShuffleReply {
  readonly kind: "shuffle-reply";
  readonly entries: readonly ViewEntry[];
}

export interface CyclonTimer {
  readonly kind: "shuffle";
}

export type CyclonEffect = Effect<ShuffleRequest, ShuffleReply, CyclonTimer, never>;

interface Shuffle {
  readonly id: number;
  readonly partner: ViewEntry;
  readonly sent: readonly NodeId[];
}

export class CyclonView implements PeerSampler {
  readonly #self: Peer;
  readonly #options: CyclonOptions;
  readonly #random: RandomSource;
  readonly #view = new Map<NodeId, ViewEntry>();
  #shuffle: Shuffle | undefined;
  #lastId = 0;

  /** @param options checked with `validateCyclonOptions` */
  constructor(self: Peer, options: CyclonOptions, random: RandomSource) {
    this.#self = self;
    this.#options = options;
    this.#random = random;
  }

  get entries(): readonly ViewEntry[] {
    return [...this.#view.values()];
  }

  sample(count: number): readonly Peer[] {
    return shuffled(this.#random, [...this.#view.values()])
      .slice(0, count)
      .map((entry) => entry.peer);
  }

  /** Enters peers known from elsewhere (introducers, a member table), as far as there is room. */
  introduce(peers: readonly Peer[]): void {
    this.#merge(
      peers.map((peer) => ({ peer, age: 0 })),
      [],
    );
  }

  /** Takes a peer that is known to be gone out of the view. */
  remove(peer: NodeId): void {
    this.#view.delete(peer);
  }

  start(): readonly CyclonEffect[] {
    return [
      { kind: "timer", timer: { kind: "shuffle" }, afterMs: this.#random.next() * this.#options.intervalMs },
    ];
  }

  onTimer(): readonly CyclonEffect[] {
    const effects: CyclonEffect[] = [
      { kind: "timer", timer: { kind: "shuffle" }, afterMs: this.#options.intervalMs },
    ];
    if (this.#shuffle !== undefined) return effects;
    for (const [id, entry] of this.#view) this.#view.set(id, { peer: entry.peer, age: entry.age + 1 });
    const partner = this.#oldest();
    if (partner === undefined) return effects;
    this.#view.delete(partner.peer.id);
    const chosen = this.#choose(this.#options.shuffleLength - 1);
    this.#lastId += 1;
    this.#shuffle = { id: this.#lastId, partner, sent: chosen.map((entry) => entry.peer.id) };
    effects.push({
      kind: "request",
      id: this.#lastId,
      to: partner.peer,
      message: { kind: "shuffle", entries: [{ peer: this.#self, age: 0 }, ...chosen] },
      timeoutMs: this.#options.requestTimeoutMs,
    });
    return effects;
  }

  onRequest(token: number, request: ShuffleRequest): readonly CyclonEffect[] {
    const chosen = this.#choose(this.#options.shuffleLength);
    this.#merge(
      request.entries,
      chosen.map((entry) => entry.peer.id),
    );
    return [{ kind: "reply", token, message: { kind: "shuffle-reply", entries: chosen } }];
  }

  onReply(id: number, reply: ShuffleReply): void {
    const shuffle = this.#shuffle;
    if (shuffle?.id !== id) return;
    this.#shuffle = undefined;
    this.#merge(reply.entries, shuffle.sent);
  }

  /** The partner is taken for gone, unless it was the last one known: a lost message must not cut a node off. */
  onFailure(id: number): void {
    const shuffle = this.#shuffle;
    if (shuffle?.id !== id) return;
    this.#shuffle = undefined;
    if (this.#view.size === 0) this.#view.set(shuffle.partner.peer.id, shuffle.partner);
  }

  #oldest(): ViewEntry | undefined {
    let oldest: ViewEntry | undefined;
    for (const entry of this.#view.values()) {
      if (oldest === undefined || entry.age > oldest.age) oldest = entry;
    }
    return oldest;
  }

  #choose(count: number): readonly ViewEntry[] {
    return shuffled(this.#random, [...this.#view.values()]).slice(0, count);
  }

  /** Takes what is new into empty places first, then into those of the entries that were sent away. */
  #merge(received: readonly ViewEntry[], sent: readonly NodeId[]): void {
    const replaceable = sent.filter((id) => this.#view.has(id));
    for (const entry of received.slice(0, this.#options.shuffleLength)) {
      if (entry.peer.id === this.#self.id || this.#view.has(entry.peer.id)) continue;
      if (this.#view.size >= this.#options.viewSize) {
        const place = replaceable.pop();
        if (place === undefined) return;
        this.#view.delete(place);
      }
      this.#view.set(entry.peer.id, entry);
    }
  }
}
