/**
 * Push-pull: the whole table both ways. It brings a node into the cluster, repairs what gossip missed, and finds
 * members again that were given up.
 */
import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { type RandomSource, randomBelow, shuffled } from "../random.ts";
import { comparePrecedence, isLiveMember, peerOf } from "./member.ts";
import type { MemberView } from "./member-view.ts";
import type { OpenRequests } from "./open-requests.ts";
import {
  ANYONE,
  type PushPull,
  RETIRED_PAGE,
  type SwimEffect,
  type SwimReply,
  type TableStatement,
} from "./swim-messages.ts";

/** Addresses of seeds kept at most. */
const SEEDS_MAX = 64;

/** `again`: the first contact taught this node how it was remembered, and it has refuted that meanwhile. */
type Purpose = "sync" | "join" | "join-again";

type StateReply = Extract<SwimReply, { readonly kind: "state" }>;

export class Exchange {
  readonly #view: MemberView;
  readonly #requests: OpenRequests;
  readonly #random: RandomSource;
  readonly #belongs: () => boolean;
  readonly #boundTo: () => readonly NodeId[];
  /** Addresses with a push-pull under way: one each is enough. */
  readonly #contacted: Set<string> = new Set();
  #seeds: readonly string[] = [];
  #joining = false;
  #hasJoined = false;
  #walking = false;

  constructor(
    view: MemberView,
    requests: OpenRequests,
    random: RandomSource,
    belongs: () => boolean,
    boundTo: () => readonly NodeId[],
  ) {
    this.#belongs = belongs;
    this.#boundTo = boundTo;
    this.#view = view;
    this.#requests = requests;
    this.#random = random;
  }

  join(seeds: readonly string[], out: SwimEffect[]): void {
    const own = this.#view.self.address;
    this.#seeds = [...new Set(seeds)].filter((address) => address !== own).slice(0, SEEDS_MAX);
    this.#joining = this.#seeds.length > 0;
    this.tryJoin(out);
  }

  /** Contacts some seeds, and again later until one has recorded this node. */
  tryJoin(out: SwimEffect[]): void {
    if (!this.#joining) return;
    const { joinFanout, joinRetryIntervalMs } = this.#view.config;
    const chosen = shuffled(this.#random, this.#seeds).slice(0, joinFanout);
    for (const address of chosen) this.#contact({ id: ANYONE, address }, "join", out);
    out.push({ kind: "timer", timer: { kind: "join" }, afterMs: joinRetryIntervalMs });
  }

  /** A seed turned out to be this node itself. */
  dropSeed(address: string): void {
    this.#seeds = this.#seeds.filter((seed) => seed !== address);
    if (this.#seeds.length === 0) this.#joining = false;
  }

  /** The regular exchange with one random member. */
  sync(out: SwimEffect[]): void {
    const peers = this.#view.alivePeers();
    const peer = peers[randomBelow(this.#random, peers.length)];
    if (peer !== undefined) this.#contact(peerOf(peer), "sync", out);
    this.arm("push-pull", this.#view.config.pushPullIntervalMs, out);
  }

  with(peer: Peer, out: SwimEffect[]): void {
    this.#contact(peer, "sync", out);
  }

  /**
   * Tries one member that is down, with such a probability that all together try each of them once an interval. With
   * nobody left the seeds are tried too.
   */
  reconnect(out: SwimEffect[]): void {
    const { table, config, self } = this.#view;
    const down = table.members().filter((member) => !isLiveMember(member) && member.id !== self.id);
    const live = table.live().length;
    const addresses = down.map((member) => member.address);
    const candidates = live > 1 ? addresses : [...addresses, ...this.#seeds];
    const address = candidates[randomBelow(this.#random, candidates.length)];
    const due = live === 1 || this.#random.next() * live < down.length;
    if (address !== undefined && due) this.#contact({ id: ANYONE, address }, "sync", out);
    this.arm("reconnect", config.reconnectIntervalMs, out);
  }

  /** Spread over half to one and a half intervals, so that nodes started together do not act together. */
  arm(kind: "push-pull" | "reconnect", intervalMs: number, out: SwimEffect[]): void {
    const afterMs = Math.ceil(intervalMs * (0.5 + this.#random.next()));
    out.push({ kind: "timer", timer: { kind }, afterMs });
  }

  /** The own table for a reply, after the request has been taken in. */
  state(): StateReply {
    const { table, self } = this.#view;
    return {
      kind: "state",
      from: self,
      ...this.#statement(),
      tableHash: table.counted().tableHash,
    };
  }

  #statement(): TableStatement {
    const { table } = this.#view;
    return {
      members: table.members(),
      retired: table.newestRetired(RETIRED_PAGE),
      belongs: this.#belongs(),
    };
  }

  #contact(peer: Peer, purpose: Purpose, out: SwimEffect[]): void {
    if (this.#contacted.has(peer.address)) return;
    this.#contacted.add(peer.address);
    const { table, self, config } = this.#view;
    const boundTo = this.#boundTo();
    const message: PushPull = { kind: "push-pull", from: self, to: peer.id, ...this.#statement(), boundTo };
    this.#requests.ask(peer, message, config.pushPullTimeoutMs, out, (outcome, _at, effects) => {
      this.#contacted.delete(peer.address);
      if (outcome.kind === "failed" || outcome.message.kind !== "state") return;
      const { message: reply } = outcome;
      if (purpose !== "sync") this.#joined(reply, purpose, peer, effects);
      if (table.counted().tableHash !== reply.tableHash) this.#walk(peerOf(reply.from), "", effects);
    });
  }

  #joined(reply: StateReply, purpose: Purpose, seed: Peer, out: SwimEffect[]): void {
    if (!this.#joining) return;
    const recorded = reply.members.find((member) => member.id === this.#view.self.id);
    if (recorded !== undefined && comparePrecedence(recorded, this.#view.self) === 0) {
      this.#joining = false;
      if (!this.#hasJoined) out.push({ kind: "event", event: { kind: "joined", by: peerOf(reply.from) } });
      this.#hasJoined = true;
    } else if (purpose === "join") this.#contact(seed, "join-again", out);
  }

  /** Compares all retired ids in byte order, a page of both sides at a time. Each round moves on by a page. */
  #walk(peer: Peer, after: NodeId, out: SwimEffect[]): void {
    if (after === "" && this.#walking) return;
    this.#walking = true;
    const { table, self, config } = this.#view;
    const ids = table.retiredAfter(after, RETIRED_PAGE);
    const message = { kind: "retired-page", from: self, to: peer.id, after, ids } as const;
    this.#requests.ask(peer, message, config.pushPullTimeoutMs, out, (outcome, _at, effects) => {
      const theirs =
        outcome.kind === "reply" && outcome.message.kind === "retired-ids" ? outcome.message.ids : [];
      const ends = [ids, theirs]
        .filter((page) => page.length >= RETIRED_PAGE)
        .map((page) => page.at(-1) ?? "");
      const next = ends.sort()[0];
      if (outcome.kind === "failed" || next === undefined || next <= after) this.#walking = false;
      else this.#walk(peer, next, effects);
    });
  }
}
