/**
 * The membership machine: SWIM (Das, Gupta, Motivala, 2002) with Lifeguard (Dadgar, Phillips, Currey, 2018), with the
 * states `stopped` and `retired` added. See docs/membership.md for the rules.
 *
 * The driver performs the effects in order, feeds replies, failures and timers back, and refuses peers of another cluster before
 * their messages get here. A reply of kind `refused` may be fed back as it is or as a failure.
 */
import type { Peer, RequestFailure } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import { Announcer } from "./announcer.ts";
import { Exchange } from "./exchange.ts";
import { isWellFormed, type Member, peerOf, type Update } from "./member.ts";
import type { MemberTable } from "./member-table.ts";
import { type KnownTable, MemberView } from "./member-view.ts";
import { OpenRequests } from "./open-requests.ts";
import { Prober } from "./prober.ts";
import { isOfOtherCluster, isStranger, type Receiver, refusalOf } from "./refusal.ts";
import type { SwimConfig } from "./swim-config.ts";
import {
  ANYONE,
  type Outcome,
  RETIRED_PAGE,
  type Refused,
  type SwimEffect,
  type SwimEvent,
  type SwimReply,
  type SwimRequest,
  type SwimStats,
  type SwimTimer,
} from "./swim-messages.ts";

export interface SwimOptions {
  /** The own entry, alive. A generation above that of the last run saves one round of refutation. */
  readonly self: Member;
  readonly config: SwimConfig;
  readonly random: RandomSource;
  /** A digest as text; all nodes of a cluster must use the same. */
  readonly hash: (canonical: string) => string;
  /** Counted from the first moment. */
  readonly known: KnownTable;
  /** An earlier run has taken over the table of a member. */
  readonly entered: boolean;
  /** Whether this node has been a member, and its table is that of a cluster; it may become one at any time. */
  readonly belongs: () => boolean;
  /** See {@link PushPull.boundTo}. */
  readonly boundTo: () => readonly NodeId[];
}

export class Swim {
  readonly #config: SwimConfig;
  readonly #random: RandomSource;
  readonly #view: MemberView;
  readonly #requests: OpenRequests = new OpenRequests();
  readonly #prober: Prober;
  readonly #exchange: Exchange;
  readonly #announcer: Announcer;
  readonly #known: KnownTable;
  readonly #belongs: () => boolean;
  readonly #boundTo: () => readonly NodeId[];
  readonly #enteredBefore: boolean;
  #isTold = false;
  #requestsRefused = 0;

  constructor({ self, config, random, hash, known, entered, belongs, boundTo }: SwimOptions) {
    this.#enteredBefore = entered;
    this.#belongs = () => this.entered || belongs();
    this.#boundTo = boundTo;
    this.#config = config;
    this.#random = random.fork();
    this.#known = known;
    this.#view = new MemberView(config, self, known, random.fork(), hash);
    this.#prober = new Prober(this.#view, this.#requests, random.fork());
    this.#announcer = new Announcer(this.#view, this.#prober, random.fork());
    this.#exchange = new Exchange(this.#view, this.#requests, random.fork(), this.#belongs, boundTo);
  }

  get self(): Member {
    return this.#view.self;
  }

  get table(): MemberTable {
    return this.#view.table;
  }

  /** Whether the table is that of a member, be it this node or one from whom it was taken over. */
  get entered(): boolean {
    return this.#enteredBefore || this.#isTold;
  }

  /** Whether a member has told this run its whole table. Of several members a ping makes one known. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** See {@link isOfOtherCluster}. */
  isOfOtherCluster(theirs: readonly NodeId[]): boolean {
    return isOfOtherCluster(this.#receiver(), theirs);
  }

  get stats(): SwimStats {
    const { health, queue, malformed, beyondBounds } = this.#view;
    return {
      localHealth: health.score,
      openRequests: this.#requests.size,
      broadcastsQueued: queue.size,
      broadcastsDropped: queue.dropped,
      updatesMalformed: malformed,
      updatesBeyondBounds: beyondBounds,
      relaysRefused: this.#prober.relaysRefused,
      requestsRefused: this.#requestsRefused,
    };
  }

  /** Probes those an earlier run knew, and starts the periods, at a random phase. */
  start(nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    this.#view.resume(this.#known.members, nowMs, out);
    const afterMs = Math.ceil(this.#random.next() * this.#config.probeIntervalMs);
    out.push({ kind: "timer", timer: { kind: "probe" }, afterMs });
    this.#exchange.arm("push-pull", this.#config.pushPullIntervalMs, out);
    this.#exchange.arm("reconnect", this.#config.reconnectIntervalMs, out);
    return out;
  }

  /** Contacts seeds by address until one has recorded this node (event `joined`). */
  join(seeds: readonly string[]): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (this.#view.active) this.#exchange.join(seeds, out);
    return out;
  }

  /** A push-pull with this peer now, beside the regular ones; none when one with its address is under way. */
  exchangeTables(peer: Peer): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (this.#view.active) this.#exchange.with(peer, out);
    return out;
  }

  /** A peer's request. It is answered with exactly one reply, at once or, for `ping-req`, when the helper's probe is settled. */
  request(message: SwimRequest, token: number, nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    const { from } = message;
    const refused = refusalOf(message, this.#receiver());
    if (refused !== undefined) {
      this.#requestsRefused += 1;
      if (refused.code === "own_id" && from.address !== this.self.address) {
        emit(out, { kind: "name-clash", first: peerOf(this.self), second: peerOf(from) });
      }
      if (refused.code === "other_cluster") emit(out, { kind: "other-cluster", at: peerOf(from) });
      out.push({ kind: "reply", token, message: refused });
      return out;
    }
    const reply = (answer: SwimReply, to: SwimEffect[]): void =>
      void to.push({ kind: "reply", token, message: answer });
    // A page is taken out before the sender's ids are merged, or they would fill it.
    const page = message.kind === "retired-page" ? this.table.retiredAfter(message.after, RETIRED_PAGE) : [];
    this.#take(message, nowMs, out);
    switch (message.kind) {
      case "ping":
        reply(this.#answer("ack", from), out);
        break;
      case "ping-req":
        this.#prober.relay(message, nowMs, out, (kind, _at, effects) =>
          reply(this.#answer(kind, from), effects),
        );
        break;
      case "push-pull":
        reply(this.#exchange.state(), out);
        break;
      case "retired-page":
        reply({ kind: "retired-ids", from: this.self, ids: page }, out);
    }
    this.#announcer.spreadRefutation(nowMs, out);
    return out;
  }

  /** The reply to an open request; one that is not open, as in a replay, changes nothing. */
  reply(id: number, message: SwimReply, nowMs: number): SwimEffect[] {
    if (message.kind === "refused") return this.#fail(id, message.code, message.holder, nowMs);
    const request = this.#requests.settle(id);
    if (request === undefined) return [];
    const out: SwimEffect[] = [];
    const { from } = message;
    const isStrange = message.kind === "state" && isStranger(this.#receiver(), message);
    if (isStrange) emit(out, { kind: "other-cluster", at: peerOf(from) });
    const expected = request.to.id === ANYONE || request.to.id === from.id;
    const usable =
      !isStrange &&
      expected &&
      from.id !== this.self.id &&
      isWellFormed(from) &&
      !this.table.isRetired(from.id);
    if (usable) this.#take(message, nowMs, out);
    const outcome: Outcome = usable
      ? { kind: "reply", message }
      : { kind: "failed", failure: { kind: "refused", code: "not_me" } };
    request.then(outcome, nowMs, out);
    this.#announcer.spreadRefutation(nowMs, out);
    return out;
  }

  /** An open request came to nothing. */
  failed(id: number, failure: RequestFailure, nowMs: number): SwimEffect[] {
    if (failure.kind === "refused") return this.#fail(id, failure.code, undefined, nowMs);
    const out: SwimEffect[] = [];
    this.#requests.settle(id)?.then({ kind: "failed", failure }, nowMs, out);
    return out;
  }

  timer(timer: SwimTimer, nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (!this.#view.active) return out;
    switch (timer.kind) {
      case "probe":
        this.#prober.start(nowMs, out);
        break;
      case "push-pull":
        this.#exchange.sync(out);
        break;
      case "reconnect":
        this.#exchange.reconnect(out);
        break;
      case "join":
        this.#exchange.tryJoin(out);
        break;
      case "suspicion":
        this.#view.suspicionDue(timer.id, timer.generation, nowMs, out);
    }
    return out;
  }

  /** Updates that came on a message of another protocol. Those of a retired sender are not read. */
  absorb(updates: readonly Update[], from: NodeId, nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (!this.table.isRetired(from)) this.#view.absorb(updates, nowMs, out);
    this.#announcer.spreadRefutation(nowMs, out);
    return out;
  }

  /** Updates to put on a message of another protocol; each counts as sent. */
  piggyback(maxItems: number): Update[] {
    return this.#view.piggyback(maxItems);
  }

  /** Changes the own address or metadata, and spreads it. */
  updateSelf(changes: Partial<Pick<Member, "address" | "zone" | "protocol" | "build">>): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (this.#view.active) this.#view.restate({ ...changes, generation: this.self.generation + 1 }, out);
    return out;
  }

  /** This node shuts down and means to come back. Event `announced` says when it may go. */
  announceStopped(): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (!this.#view.active) return out;
    this.#view.restate({ state: "stopped" }, out);
    this.#announcer.announce("stopped", out);
    return out;
  }

  /** This node goes for good: its id is retired. Event `announced` says when it may go. */
  leave(nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    if (this.#view.retired) return out;
    this.#view.apply({ kind: "retired", id: this.self.id }, nowMs, out);
    this.#announcer.announce("retired", out);
    return out;
  }

  /** Retires another id, for ever. Whether that is safe is for the caller to know. */
  retire(id: NodeId, nowMs: number): SwimEffect[] {
    const out: SwimEffect[] = [];
    this.#view.apply({ kind: "retired", id }, nowMs, out);
    return out;
  }

  #receiver(): Receiver {
    return { self: this.self, table: this.table, belongs: this.#belongs(), boundTo: this.#boundTo() };
  }

  #answer(kind: "ack" | "nack", to: Member): SwimReply {
    return { kind, from: this.self, updates: this.#view.updatesFor(to.id, to) };
  }

  /** Merges what a message says of the members, its sender last: what it retires is settled by then. */
  #take(message: SwimRequest | Exclude<SwimReply, Refused>, nowMs: number, out: SwimEffect[]): void {
    if ("members" in message) {
      // The members in it may have shown themselves before.
      if (message.belongs && !this.#belongs()) emit(out, { kind: "entered" });
      this.#isTold ||= message.belongs;
      this.#view.absorbTable(message.members, message.retired, nowMs, out);
    }
    if ("updates" in message) this.#view.absorb(message.updates, nowMs, out);
    if ("ids" in message) this.#view.absorbTable([], message.ids, nowMs, out);
    this.#view.apply({ kind: "member", member: message.from }, nowMs, out);
  }

  #fail(id: number, code: string, holder: Peer | undefined, nowMs: number): SwimEffect[] {
    const request = this.#requests.settle(id);
    if (request === undefined) return [];
    const out: SwimEffect[] = [];
    if (code === "retired") this.#view.apply({ kind: "retired", id: this.self.id }, nowMs, out);
    if (code === "own_id") this.#exchange.dropSeed(request.to.address);
    // Another node at a member's address is an everyday sight after a move, and a node that reached itself is no trouble.
    const ordinary = code === "not_me" || (code === "own_id" && holder?.address === this.self.address);
    if (code === "other_cluster") emit(out, { kind: "other-cluster", at: request.to });
    else if (!ordinary) emit(out, { kind: "refused", by: request.to, code, holder });
    request.then({ kind: "failed", failure: { kind: "refused", code } }, nowMs, out);
    return out;
  }
}

function emit(out: SwimEffect[], event: SwimEvent): void {
  out.push({ kind: "event", event });
}
