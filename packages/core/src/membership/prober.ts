/**
 * Probes one member a period: directly, then through helpers, then by accusing it (SWIM, section 3.1; the nacks and
 * stretched times are Lifeguard's, section 3.1). At any time there is either one open probe or one timer armed.
 *
 * A time that was up late says that this process stood still: what it waited for may lie unread, and answers that it owes
 * are late as well. So its own health gets worse, and such a probe accuses nobody, once for each member in a row: one that is
 * gone is found by a node that is always late, too.
 */
import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { type RandomSource, shuffled } from "../random.ts";
import { type Member, peerOf } from "./member.ts";
import type { MemberView } from "./member-view.ts";
import type { Continuation, OpenRequests } from "./open-requests.ts";
import type { Outcome, Ping, PingReq, SwimEffect } from "./swim-messages.ts";

/** A helper answers a nack after this share of the time the prober waits for it, so that the nack arrives in time. */
const NACK_SHARE = 0.8;

/** A time that is up later than by this share of the time-out of a probe is late: a reply as late may have been missed. */
const LATE_SHARE = 0.5;

type Answer = (kind: "ack" | "nack", nowMs: number, out: SwimEffect[]) => void;

interface Probe {
  readonly target: Peer;
  readonly endsAtMs: number;
  /** When the last request that is open for it runs out. */
  dueMs: number;
  helpers: number;
  nacks: number;
  open: number;
  settled: boolean;
}

export class Prober {
  readonly #view: MemberView;
  readonly #requests: OpenRequests;
  readonly #random: RandomSource;
  #relays = 0;
  #relaysRefused = 0;
  /** Members that were not accused when they were last probed, because this process stood still. */
  readonly #excused: Set<NodeId> = new Set();
  /** When the timer that is armed is due. */
  #dueMs: number | undefined;

  constructor(view: MemberView, requests: OpenRequests, random: RandomSource) {
    this.#view = view;
    this.#requests = requests;
    this.#random = random;
  }

  /** Indirect probes for others that were answered with a nack because too many were under way. */
  get relaysRefused(): number {
    return this.#relaysRefused;
  }

  /** Starts a period. */
  start(nowMs: number, out: SwimEffect[]): void {
    if (!this.#view.active) return;
    const { config, health, order, table } = this.#view;
    if (this.#dueMs !== undefined && this.#isLate(this.#dueMs, nowMs)) health.worsen(1);
    this.#dueMs = undefined;
    const endsAtMs = nowMs + health.scale(config.probeIntervalMs);
    const id = order.next();
    const target = id === undefined ? undefined : table.get(id);
    if (target === undefined) {
      this.#arm(endsAtMs, nowMs, out);
      return;
    }
    const timeoutMs = health.scale(config.probeTimeoutMs);
    const probe: Probe = {
      target: peerOf(target),
      endsAtMs,
      dueMs: nowMs + timeoutMs,
      helpers: 0,
      nacks: 0,
      open: 0,
      settled: false,
    };
    this.ping(target, timeoutMs, out, (outcome, at, effects) => {
      if (isAck(outcome)) this.#succeed(probe, at, effects);
      else this.#askHelpers(probe, at, effects);
    });
  }

  /** Pings one member; its updates have been taken in when `then` is called. */
  ping(target: Peer, timeoutMs: number, out: SwimEffect[], then: Continuation): void {
    const updates = this.#view.updatesFor(target.id, undefined);
    const message: Ping = { kind: "ping", from: this.#view.self, to: target.id, updates };
    this.#requests.ask(target, message, timeoutMs, out, then);
  }

  /** Probes for another member; `answer` replies to it. */
  relay(request: PingReq, nowMs: number, out: SwimEffect[], answer: Answer): void {
    const { config, table, self } = this.#view;
    const target = table.get(request.target);
    if (this.#relays >= config.relaysMax) this.#relaysRefused += 1;
    // Only addresses this node knows by itself: a request must not make it call anywhere else.
    if (target === undefined || target.id === self.id || this.#relays >= config.relaysMax) {
      answer("nack", nowMs, out);
      return;
    }
    const longestMs = config.probeIntervalMs * config.localHealthMax;
    const waitMs = Math.min(Math.max(1, request.waitMs), longestMs);
    this.#relays += 1;
    this.ping(peerOf(target), waitMs, out, (outcome, at, effects) => {
      this.#relays -= 1;
      answer(isAck(outcome) ? "ack" : "nack", at, effects);
    });
  }

  #askHelpers(probe: Probe, nowMs: number, out: SwimEffect[]): void {
    const { config, self } = this.#view;
    const others = this.#view.alivePeers().filter((member) => member.id !== probe.target.id);
    const helpers = shuffled(this.#random, others).slice(0, config.indirectProbes);
    const timeoutMs = Math.max(config.probeTimeoutMs, probe.endsAtMs - nowMs);
    probe.helpers = helpers.length;
    probe.open = helpers.length;
    if (helpers.length > 0) probe.dueMs = nowMs + timeoutMs;
    for (const helper of helpers) this.#askHelper(probe, helper, timeoutMs, self, out);
    if (helpers.length === 0) this.#fail(probe, nowMs, out);
  }

  #askHelper(probe: Probe, helper: Member, timeoutMs: number, from: Member, out: SwimEffect[]): void {
    const message: PingReq = {
      kind: "ping-req",
      from,
      to: helper.id,
      target: probe.target.id,
      waitMs: Math.floor(timeoutMs * NACK_SHARE),
      updates: this.#view.updatesFor(helper.id, undefined),
    };
    this.#requests.ask(peerOf(helper), message, timeoutMs, out, (outcome, at, effects) => {
      probe.open -= 1;
      if (outcome.kind === "reply" && outcome.message.kind === "nack") probe.nacks += 1;
      if (probe.settled) return;
      if (isAck(outcome)) this.#succeed(probe, at, effects);
      else if (probe.open === 0) this.#fail(probe, at, effects);
    });
  }

  #succeed(probe: Probe, nowMs: number, out: SwimEffect[]): void {
    probe.settled = true;
    this.#excused.delete(probe.target.id);
    this.#view.health.improve();
    this.#arm(probe.endsAtMs, nowMs, out);
  }

  #fail(probe: Probe, nowMs: number, out: SwimEffect[]): void {
    probe.settled = true;
    const { active, health } = this.#view;
    if (!active) return;
    const isExcused = this.#isLate(probe.dueMs, nowMs) && !this.#excused.has(probe.target.id);
    health.worsen(isExcused || probe.helpers === 0 ? 1 : probe.helpers - probe.nacks);
    if (isExcused) this.#excuse(probe.target.id);
    else {
      this.#excused.delete(probe.target.id);
      this.#view.accuse(probe.target.id, nowMs, out);
    }
    this.#arm(probe.endsAtMs, nowMs, out);
  }

  #excuse(id: NodeId): void {
    const { table } = this.#view;
    for (const earlier of this.#excused) if (table.get(earlier) === undefined) this.#excused.delete(earlier);
    this.#excused.add(id);
  }

  #isLate(dueMs: number, nowMs: number): boolean {
    return nowMs - dueMs > this.#view.config.probeTimeoutMs * LATE_SHARE;
  }

  #arm(atMs: number, nowMs: number, out: SwimEffect[]): void {
    const afterMs = Math.max(0, Math.ceil(atMs - nowMs));
    this.#dueMs = nowMs + afterMs;
    out.push({ kind: "timer", timer: { kind: "probe" }, afterMs });
  }
}

function isAck(outcome: Outcome): boolean {
  return outcome.kind === "reply" && outcome.message.kind === "ack";
}
