/** Drives anti-entropy: starts an exchange an interval, answers those of others, and remembers how they went. */
import {
  type AntiEntropyConfig,
  CALM_FACTOR,
  type ExchangeReply,
  type ExchangeRequest,
  ExchangeSchedule,
  type HlcTime,
  type NodeId,
  type Peer,
  type PeerReply,
  type RandomSource,
  randomBelow,
} from "@hearsay/core";
import { ExchangeAnswerer } from "../exchange/answer.ts";
import { type AskPeer, ExchangeAsker } from "../exchange/ask.ts";
import { type Comparison, compareReplicas } from "../exchange/compare.ts";
import type { ExchangeOutcome, ExchangeProgress } from "../exchange/outcome.ts";
import type { ExchangeReplica } from "../exchange/replica.ts";
import type { ExchangeLimits } from "../exchange/session.ts";
import { PeerFault } from "../peer-fault.ts";
import type { Clock, Log, Metrics } from "../ports.ts";
import { faultCodeOf, type RepeatLog } from "../repeat-log.ts";
import type { Timers, Transport } from "./ports.ts";

export interface RepairPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly transport: Transport;
  readonly random: RandomSource;
  readonly log: Log;
  readonly troubles: RepeatLog;
  readonly metrics: Metrics;
  livePeers(): readonly Peer[];
  /** Exchanges member tables with a peer, because they differ. */
  exchangeTables(peer: Peer): Promise<void>;
  /** An exchange this node started has ended, well or not. */
  ended(peer: NodeId, fault: PeerFault | undefined): void;
  /** An exchange has ended well, so that this node may know of more that it holds. `peer` where this node began it. */
  claimed(peer: Peer | undefined): void;
  /** One that this node started with a member that stays has ended well: the peer durably holds or covers what this node did when its clock read `through`. */
  confirmed(peer: NodeId, through: HlcTime): void;
}

export interface LastExchange extends ExchangeOutcome {
  readonly atMs: number;
}

/** How far a peer's wall clock is ahead of this node's, by the midpoint of a request (as in NTP, RFC 5905). */
export interface ClockOffset {
  readonly offsetMs: number;
  /** Half of the request's duration: the offset is off by at most so much. */
  readonly errorMs: number;
}

/** Tables that keep changing while an exchange starts: after so many rounds it is left to a later one. */
const TABLE_ROUNDS = 3;

export class Repair {
  readonly #replica: ExchangeReplica;
  readonly #limits: ExchangeLimits;
  readonly #ports: RepairPorts;
  readonly #schedule: ExchangeSchedule;
  readonly #answerer: ExchangeAnswerer;
  readonly #last: Map<NodeId, LastExchange> = new Map();
  readonly #clocks: Map<NodeId, ClockOffset> = new Map();
  readonly #progress: Map<NodeId, ExchangeProgress> = new Map();
  #members: readonly NodeId[] = [];
  #session: number;
  #cancel: (() => void) | undefined;
  /** The next exchange of the schedule has not begun. */
  #pausing = false;
  #running = 0;
  #isStopped = false;

  constructor(
    replica: ExchangeReplica,
    config: AntiEntropyConfig,
    limits: ExchangeLimits,
    ports: RepairPorts,
  ) {
    this.#replica = replica;
    this.#limits = limits;
    this.#ports = ports;
    this.#schedule = new ExchangeSchedule(config, ports.random.fork());
    this.#answerer = new ExchangeAnswerer(replica, limits, () => ports.timers.monotonicMs());
    // Another run's sessions may still be open at a peer.
    this.#session = randomBelow(ports.random, 2 ** 31);
  }

  start(): void {
    this.#arm();
  }

  /** Whether nothing is going on, as far as the latest exchanges tell. */
  get isCalm(): boolean {
    return this.#schedule.isCalm;
  }

  /** How much longer pauses are than ordinary ones: 1, or more in calm. */
  get stretch(): number {
    return this.isCalm ? CALM_FACTOR : 1;
  }

  /** A write was made here, or a peer came or went: exchanges go back to their ordinary pace. */
  disturbed(): void {
    if (!this.#schedule.isCalm) return;
    this.#schedule.disturbed();
    if (!this.#pausing) return;
    this.#cancel?.();
    this.#arm();
  }

  /** Exchanges under way end at their next message: what a node in doubt has offered must not become a claim. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#pausing = false;
  }

  lastExchange(peer: NodeId): LastExchange | undefined {
    return this.#last.get(peer);
  }

  /** Undefined until an exchange with the peer has begun. */
  clockOffset(peer: NodeId): ClockOffset | undefined {
    return this.#clocks.get(peer);
  }

  /** Of the exchange with this peer that is under way; undefined when there is none, or it has found nothing yet. */
  progress(peer: NodeId): ExchangeProgress | undefined {
    return this.#progress.get(peer);
  }

  /** Exchanges this node has started that are under way. */
  get running(): number {
    return this.#running;
  }

  /** Answering sessions that are open. */
  get answering(): number {
    return this.#answerer.size;
  }

  /** Exchanges of others that were told to come back. */
  get putOff(): number {
    return this.#answerer.putOff;
  }

  /** Drops answering sessions with a retired id. */
  dropSessionsWith(peer: NodeId): void {
    this.#answerer.dropSessionsWith(peer);
  }

  /** Forgets peers that are no longer members; whoever came or went is a reason to look. */
  peersChanged(members: readonly NodeId[]): void {
    this.disturbed();
    // The table gives the same list until it changes.
    if (members === this.#members) return;
    this.#members = members;
    const counted = new Set(members);
    this.#schedule.retain(counted);
    for (const known of [this.#last, this.#clocks]) {
      for (const peer of known.keys()) if (!counted.has(peer)) known.delete(peer);
    }
  }

  async answer(from: NodeId, request: ExchangeRequest): Promise<ExchangeReply> {
    const reply = await this.#answerer.answer(from, request);
    const isFinal = request.kind === "exchange-transfer" && request.final;
    if (reply.kind === "exchange-equal" || (isFinal && reply.kind === "exchange-transferred")) {
      this.#schedule.asked(from);
      this.#ports.claimed(undefined);
    }
    return reply;
  }

  /**
   * An exchange with this peer now, beside the schedule.
   * @throws PeerFault when it breaks off
   */
  async exchange(
    peer: Peer,
    onProgress: (progress: ExchangeProgress) => void = () => undefined,
  ): Promise<ExchangeOutcome> {
    this.#running += 1;
    let moved = { bytesSent: 0, bytesReceived: 0 };
    try {
      const outcome = await this.#underOneTable(peer, (session, ask) => {
        const asker = new ExchangeAsker(this.#replica, this.#limits, {
          peer: peer.id,
          session,
          ask,
          nowMs: () => this.#ports.timers.monotonicMs(),
          onProgress: (progress) => {
            moved = progress;
            this.#progress.set(peer.id, progress);
            onProgress(progress);
          },
        });
        return asker.run();
      });
      this.#remember(peer.id, outcome, await this.#replica.digests.root());
      if (outcome.staying) this.#ports.confirmed(peer.id, outcome.offered);
      this.#ports.ended(peer.id, undefined);
      this.#ports.claimed(peer);
      return outcome;
    } catch (error) {
      if (error instanceof PeerFault) this.#ports.ended(peer.id, error);
      throw error;
    } finally {
      this.#schedule.spent(this.#ports.timers.monotonicMs(), moved.bytesSent + moved.bytesReceived);
      this.#progress.delete(peer.id);
      this.#running -= 1;
    }
  }

  /**
   * Which keys differ with this peer, of which at most `limit` are named. Nothing is merged, on either side.
   * @throws PeerFault when it breaks off
   */
  async compare(peer: Peer, limit: number): Promise<Comparison> {
    return await this.#underOneTable(peer, (session, ask) =>
      compareReplicas(this.#replica, this.#limits, { session, ask, limit }),
    );
  }

  /** Runs a dialogue, after the member tables have been exchanged where they differ. */
  async #underOneTable<Result>(
    peer: Peer,
    run: (session: number, ask: AskPeer) => Promise<Result | undefined>,
  ): Promise<Result> {
    for (let round = 0; round < TABLE_ROUNDS; round++) {
      this.#session += 1;
      const result = await run(this.#session, (request) => this.#request(peer, request));
      if (result !== undefined) return result;
      await this.#ports.exchangeTables(peer);
    }
    throw new PeerFault({ code: "exchange_broken", what: "member tables keep changing" });
  }

  async #request(peer: Peer, request: ExchangeRequest): Promise<ExchangeReply> {
    if (this.#isStopped) throw new PeerFault({ code: "busy" });
    const { clock, transport } = this.#ports;
    const sentMs = clock.nowMs();
    const reply = expectExchange(await transport.request(peer, request, this.#limits.requestTimeoutMs));
    if ((reply.kind === "exchange-equal" || reply.kind === "exchange-differs") && reply.wallMs !== null) {
      const errorMs = Math.abs(clock.nowMs() - sentMs) / 2;
      this.#clocks.set(peer.id, { offsetMs: reply.wallMs - sentMs - errorMs, errorMs });
    }
    return reply;
  }

  #remember(peer: NodeId, outcome: ExchangeOutcome, root: string): void {
    const { clock, metrics } = this.#ports;
    this.#last.set(peer, { ...outcome, atMs: clock.nowMs() });
    this.#schedule.met({ equal: outcome.equal, root });
    metrics.count("hearsay_exchanges_total", 1);
    metrics.count("hearsay_repaired_keys_total", outcome.keysSent + outcome.keysReceived);
  }

  #arm(): void {
    const pauseMs = this.#schedule.pauseMs(this.#ports.timers.monotonicMs());
    this.#pausing = true;
    this.#cancel = this.#ports.timers.after(pauseMs, () => {
      this.#pausing = false;
      // The next pause starts when this exchange has ended, so a slow one never piles up.
      this.#tick().then(
        () => this.#again(),
        (error: unknown) => {
          this.#schedule.failed();
          this.#ports.log.error("exchange_crashed", { reason: String(error) });
          this.#again();
        },
      );
    });
  }

  #again(): void {
    if (this.#cancel !== undefined) this.#arm();
  }

  async #tick(): Promise<void> {
    if (this.#schedule.isQuiet(this.#ports.clock.nowMs())) return;
    if (this.#schedule.isInDebt(this.#ports.timers.monotonicMs())) return;
    // With a peer that is just finding out what differs, a second exchange would send the same records again.
    const idle = this.#ports.livePeers().filter(({ id }) => !this.#answerer.isAnswering(id));
    const peer = this.#schedule.choose(idle);
    if (peer === undefined) return;
    try {
      await this.exchange(peer);
    } catch (error) {
      if (faultCodeOf(error) === undefined) throw error;
      this.#ports.metrics.count("hearsay_exchanges_failed_total", 1);
      // A peer that fails is one of several. What fails here, as on a full disk, does so with each.
      if (!(error instanceof PeerFault)) this.#schedule.failed();
      this.#ports.troubles.failed("exchange_failed", error, error instanceof PeerFault ? peer.id : undefined);
    }
  }
}

function expectExchange(reply: PeerReply): ExchangeReply {
  switch (reply.kind) {
    case "exchange-tables-differ":
    case "exchange-equal":
    case "exchange-differs":
    case "exchange-compared":
    case "exchange-transferred":
    case "exchange-more":
    case "exchange-void":
      return reply;
    default:
      throw new PeerFault({ code: "exchange_broken", what: reply.kind });
  }
}
