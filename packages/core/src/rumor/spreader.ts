import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import type { RumorCounters } from "./counters.ts";
import { HotList, HotRumor, losesInterest, type RumorOrigin } from "./hot-list.ts";
import { type Rumor, type RumorVerdict, sameVersions } from "./messages.ts";
import { asksAlways, type RumorOptions, sendsLimit } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import { fitsMessage, type Pipe } from "./pipe.ts";
import { Pipes } from "./pipes.ts";

/** A rumor that no contact ends, because its peers are away, is given up after this many rounds for each send it has. */
const ROUNDS_PER_SEND = 4;

/** Records above `inlineMaxBytes` are mailed to at most so many peers; to more they would all have to come from one node. */
const LARGE_MAIL_PEERS_MAX = 8;

/** Offers what is hot, by mail or in rounds, and learns from the answers when a rumor has lost interest. */
export class Spreader {
  readonly pipes: Pipes;
  readonly hot: HotList;
  readonly #options: RumorOptions;
  readonly #sampler: PeerSampler;
  readonly #random: RandomSource;
  readonly #outbox: Outbox;
  readonly #counters: RumorCounters;
  #live: readonly Peer[] = [];
  #clusterSize = 1;
  #lastRoundMs: number = Number.NEGATIVE_INFINITY;

  constructor(
    options: RumorOptions,
    sampler: PeerSampler,
    random: RandomSource,
    outbox: Outbox,
    counters: RumorCounters,
  ) {
    this.#options = options;
    this.#sampler = sampler;
    this.#random = random;
    this.#outbox = outbox;
    this.#counters = counters;
    this.hot = new HotList(options.hotMaxEntries, options.hotMaxBytes);
    this.pipes = new Pipes(options, outbox, counters, (rumor) => this.goesInline(rumor));
  }

  /** Whether the live peers are all there are, and not a partial view. */
  get knowsAll(): boolean {
    return this.#clusterSize <= this.#live.length + 1;
  }

  mailsToAll(sizeBytes: number): boolean {
    const { mode, directMailMax, inlineMaxBytes } = this.#options;
    const peersMax =
      sizeBytes <= inlineMaxBytes ? directMailMax : Math.min(directMailMax, LARGE_MAIL_PEERS_MAX);
    return mode !== "pull" && this.knowsAll && this.#live.length <= peersMax;
  }

  peersChanged(live: readonly Peer[], clusterSize: number, now: number): void {
    this.#live = live;
    this.#clusterSize = clusterSize;
    if (asksAlways(this.#options) && live.length > 0) this.#scheduleRound(now);
  }

  spread(rumor: Rumor, origin: RumorOrigin, acks: number, now: number): void {
    if (this.#live.length === 0) return;
    if (!fitsMessage(rumor, this.#options.maxMessageBytes)) {
      this.#counters.oversized += 1;
      return;
    }
    const older = this.hot.get(rumor.key);
    if (older !== undefined && sameVersions(older.versions, rumor.versions)) {
      older.acks = Math.max(older.acks, acks);
      return;
    }
    if (older !== undefined) this.#end(older);
    const waiting = older === undefined || older.held >= older.acks ? 0 : older.acks;
    const added = new HotRumor(rumor, origin, Math.max(acks, waiting));
    const dropped = this.hot.add(added);
    this.#counters.dropped += dropped.length;
    for (const victim of dropped) this.#end(victim);
    if (!added.alive) return;
    if (added.mailed) this.#mail(added, now);
    else this.#scheduleRound(now);
  }

  /** One round of a node (Demers et al., section 1.4): the same few random peers for all that is hot. */
  round(now: number): void {
    const { mode, fanout } = this.#options;
    const asks = asksAlways(this.#options);
    this.#lastRoundMs = now;
    const spreading: HotRumor[] = [];
    let contacts = fanout;
    for (const rumor of this.hot.values()) {
      if (rumor.mailed || this.#endsBeforeRound(rumor)) continue;
      spreading.push(rumor);
      contacts = Math.max(contacts, rumor.acks - rumor.held);
    }
    if (!asks && spreading.length === 0) return;
    const pipes = this.#chooseFor(spreading, contacts, now).map((peer) => this.pipes.to(peer));
    pipes.forEach((pipe, i) => {
      for (const rumor of mode === "pull" ? [] : spreading) {
        if (i < Math.max(fanout, rumor.acks - rumor.held)) this.#enqueue(pipe, rumor, now);
      }
      // With nothing to offer, a push-pull contact would only ask, and the other side asks when it has something.
      pipe.pull = asks || (mode === "push_pull" && pipe.queue.size > 0);
    });
    for (const pipe of pipes) this.pipes.flush(pipe, now);
    for (const pipe of pipes) this.pipes.release(pipe, now);
    for (const rumor of spreading) rumor.rounds += 1;
    this.#scheduleRound(now);
  }

  /** While few can know the rumor the record goes along: after h hops or rounds, at most (fanout + 1)^h nodes do. */
  goesInline(rumor: HotRumor): boolean {
    const { fanout, inlineMaxBytes, inlineShare } = this.#options;
    if (rumor.origin === "repair" || rumor.sizeBytes > inlineMaxBytes) return false;
    return rumor.mailed || (fanout + 1) ** (rumor.hops + rumor.rounds) <= inlineShare * this.#clusterSize;
  }

  /** A peer answered an offer. */
  contacted(pipe: Pipe, rumor: HotRumor, verdict: RumorVerdict): void {
    this.holds(pipe.peer.id, rumor, verdict);
    if (verdict === "wanted") pipe.owed.set(rumor.key, rumor);
    // A peer that was promised the record elsewhere is contacted again only while someone waits for its word.
    if (verdict === "refused" || (verdict === "promised" && rumor.held >= rumor.acks)) {
      rumor.settle(pipe.peer.id, this.#options.settledMax);
    }
    const contact = this.#countContact(verdict);
    if (!rumor.alive || rumor.mailed) return;
    const lost = losesInterest(rumor, contact, this.#options, this.#random);
    if (lost && rumor.held >= rumor.acks) this.#end(rumor);
  }

  /** A peer answered a rumor that a reply brought it; the next round takes account of it. */
  pulled(pipe: Pipe, rumor: HotRumor, verdict: RumorVerdict): void {
    this.holds(pipe.peer.id, rumor, verdict);
    const contact = this.#countContact(verdict);
    if (rumor.pulled !== "useful") rumor.pulled = contact;
  }

  /** Takes note of a holder. */
  holds(peer: NodeId, rumor: HotRumor, verdict: RumorVerdict): void {
    if ((verdict !== "new" && verdict !== "known") || rumor.isSettled(peer)) return;
    rumor.held += 1;
    rumor.settle(peer, this.#options.settledMax);
    if (rumor.origin !== "write") return;
    const { key, versions } = rumor;
    this.#outbox.push({ kind: "event", event: { kind: "rumor_held", peer, key, versions } });
  }

  contactsOver(contacts: Iterable<HotRumor>): void {
    for (const rumor of contacts) {
      rumor.pending -= 1;
      if (!rumor.alive || rumor.pending > 0) continue;
      if (rumor.mailed || rumor.sends >= this.#sendsMax(rumor)) this.#end(rumor);
    }
  }

  /** A lost contact of a rumor that was not mailed is none: other contacts make up for it. */
  contactsLost(contacts: readonly HotRumor[]): void {
    for (const rumor of contacts) if (rumor.mailed) this.#counters.undelivered += 1;
    this.contactsOver(contacts);
  }

  #countContact(verdict: RumorVerdict): "useful" | "needless" {
    const contact = verdict === "new" || verdict === "wanted" ? "useful" : "needless";
    this.#counters[contact] += 1;
    return contact;
  }

  #mail(rumor: HotRumor, now: number): void {
    for (const peer of this.#live) this.#enqueue(this.pipes.to(peer), rumor, now);
    if (rumor.pending === 0) this.#end(rumor);
    else this.#outbox.schedule("mail", now + this.#options.coalesceMs, now);
  }

  #enqueue(pipe: Pipe, rumor: HotRumor, now: number): void {
    if (rumor.isSettled(pipe.peer.id) || pipe.has(rumor)) return;
    if (now < pipe.resumeAtMs) {
      if (rumor.mailed) this.#counters.undelivered += 1;
      return;
    }
    if (!rumor.mailed && rumor.sends + rumor.pending >= this.#sendsMax(rumor)) return;
    pipe.queue.set(rumor.key, rumor);
    rumor.pending += 1;
  }

  /**
   * Of twice as many random peers, those that still need the most of what is hot: near the end of a rumor most random
   * peers are settled, and choosing among two halves the rounds it takes to find the last ones.
   */
  #chooseFor(spreading: readonly HotRumor[], contacts: number, now: number): readonly Peer[] {
    if (this.#options.settledMax === 0) return this.#sampler.sample(contacts);
    const needs = (peer: Peer): number => {
      if (this.pipes.isResting(peer.id, now)) return 0;
      return spreading.reduce((count, rumor) => count + (rumor.isSettled(peer.id) ? 0 : 1), 0);
    };
    return this.#sampler
      .sample(2 * contacts)
      .map((peer) => ({ peer, needs: needs(peer) }))
      .sort((a, b) => b.needs - a.needs)
      .slice(0, contacts)
      .map(({ peer }) => peer);
  }

  /** Of those who pulled the rumor since the last round, one useful answer outweighs all others. */
  #endsBeforeRound(rumor: HotRumor): boolean {
    const { pulled } = rumor;
    rumor.pulled = "unheard";
    const lost = pulled !== "unheard" && losesInterest(rumor, pulled, this.#options, this.#random);
    const sendsMax = this.#sendsMax(rumor);
    const expired = rumor.rounds >= ROUNDS_PER_SEND * sendsMax;
    const spent = rumor.pending === 0 && (rumor.sends >= sendsMax || this.#allSettled(rumor));
    if (expired) this.#counters.expired += 1;
    if (expired || spent || (lost && rumor.held >= rumor.acks)) this.#end(rumor);
    return !rumor.alive;
  }

  #allSettled(rumor: HotRumor): boolean {
    if (rumor.settledPeers < this.#live.length || !this.knowsAll) return false;
    return this.#live.every((peer) => rumor.isSettled(peer.id));
  }

  /** Twice the awaited peers, so that a wait is not cut short by the bound that ends an ordinary rumor. */
  #sendsMax(rumor: HotRumor): number {
    return Math.max(sendsLimit(this.#options, this.#clusterSize), 2 * rumor.acks);
  }

  #end(rumor: HotRumor): void {
    this.hot.delete(rumor);
    if (rumor.pending === 0) return;
    for (const pipe of this.pipes.all()) {
      if (pipe.queue.get(rumor.key) === rumor) pipe.queue.delete(rumor.key);
    }
  }

  #scheduleRound(now: number): void {
    const { mode, coalesceMs, roundIntervalMs, pullIntervalMs } = this.#options;
    const pushes = mode !== "pull" && (this.hot.size > 0 || !asksAlways(this.#options));
    const interval = pushes ? roundIntervalMs : pullIntervalMs;
    this.#outbox.schedule("round", Math.max(now + coalesceMs, this.#lastRoundMs + interval), now);
  }
}
