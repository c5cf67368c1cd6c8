/**
 * Becoming a member: agree on limits with an introducer, bring nothing that it would make this node drop, take its clock and
 * floor, enter the member table, and take client writes once a majority of the counted members has this node on disk. So does a new
 * incarnation of a member.
 *
 * Newcomers, which have not been members anywhere yet, are neither introducers nor part of a majority: two of them that are cut
 * off would else record each other, and be a second cluster. They begin one together only when all addresses that they were
 * told of have answered, so that no member can be behind any of them. A cluster of one that may not bring what it holds into another
 * does not answer them as one of theirs: they would begin beside it, without its data. Nor does one that a member has let in, and may
 * have recorded.
 *
 * Why the majority: a node that takes writes before others count it could lose them with nobody to miss it, and a
 * watermark could pass them unseen. Why the clock of each who has recorded it, as of then: what that one had said
 * before, without this node in its table, lies below it, and so no watermark reaches this node's writes unseen.
 */
import {
  floorAhead,
  type HelloReply,
  type HelloRequest,
  type HlcTime,
  hlcFromMs,
  type NodeId,
  type Peer,
  type PeerReply,
  type SharedLimits,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { Log } from "../ports.ts";
import type { RepeatLog } from "../repeat-log.ts";
import type { Obstacle } from "./obstacle.ts";
import type { Timers, Transport } from "./ports.ts";
import { type Majority, Recorders } from "./recorders.ts";

export interface JoiningPorts {
  readonly transport: Transport;
  readonly timers: Timers;
  readonly log: Log;
  readonly troubles: RepeatLog;
  readonly limits: SharedLimits;
  /** What this node says of itself. */
  hello(): HelloRequest;
  resolveSeed(seed: string): Promise<readonly string[]>;
  /** What the wall clock shows. */
  now(): HlcTime;
  /** Counted members besides this node. */
  others(): readonly Peer[];
  /** Whether a member has told it of all others that there are; a ping may have told it of one. */
  isTold(): boolean;
  /** What keeps this node, where it was alone, from bringing what it holds into a cluster that it is not related to. */
  obstacle(floor: HlcTime): Promise<Obstacle | undefined>;
  /** Enters the member table at one address, if the only message that is sent for it gets there. */
  enter(address: string): void;
  /** Enters the tables of other newcomers, trying again and again. */
  found(addresses: readonly string[]): void;
  /** Whether a member's clock is near enough; if so, this node's follows it. */
  follow(time: HlcTime): boolean;
  readonly self: NodeId;
  /** Those at these addresses let it in: this member there, or newcomers, to begin a cluster. Settles when that is durable. */
  letIn(at: readonly string[], by: NodeId | null, founders: readonly NodeId[]): Promise<void>;
  /** A member has let it in, in this run or an earlier one, and may have recorded it. */
  isLetIn(): boolean;
  /** Takes a member's floor and watermark. */
  take(floor: HlcTime, watermark: HlcTime): Promise<void>;
  /** A majority has recorded this node; settles when that is durable. */
  recorded(): Promise<void>;
  /** Its id was retired before it was let in. */
  retired(): void;
}

export type JoiningState =
  | { readonly kind: "joining"; readonly recordedBy: number; readonly needed: number }
  /** An introducer has other limits; `knobs` names those that differ. */
  | { readonly kind: "refused"; readonly by: string; readonly knobs: readonly string[] }
  /** What this node holds may not be brought into an introducer's cluster. */
  | { readonly kind: "not_let_in"; readonly by: string; readonly reason: Obstacle }
  | { readonly kind: "member" };

const JOINING: JoiningState = { kind: "joining", recordedBy: 0, needed: 1 };

export const HELLO_TIMEOUT_MS = 2_000;

/** Members asked at one time: where a hundred nodes join at once, each asking all others again and again would keep them from answering. */
const HELLOS_AT_ONCE = 16;

/** Whoever answers at an address. */
const ANYONE: NodeId = "";

export class Joining {
  readonly #ports: JoiningPorts;
  readonly #seeds: readonly string[];
  readonly #retryMs: number;
  readonly #timeoutMs: number;
  readonly #recorders: Recorders = new Recorders();
  #state: JoiningState = JOINING;
  #cancel: (() => void) | undefined;
  /** A member has let it in. */
  #isIn = false;
  /** Nobody is a member yet, at any address that this node was told of. */
  #isFounding = false;
  /** The others at these addresses, none for one that was told of itself alone. One of an older build does not say who it is. */
  #found: readonly Peer[] = [];
  /** Those who had recorded this node when they were a majority; only the note of it on the own disk is missing. */
  #majority: { readonly recordedBy: number; readonly of: number } | undefined;
  #apart: Promise<boolean> | undefined;

  constructor(seeds: readonly string[], retryMs: number, timeoutMs: number, ports: JoiningPorts) {
    this.#seeds = seeds;
    this.#retryMs = retryMs;
    this.#timeoutMs = timeoutMs;
    this.#ports = ports;
  }

  get state(): JoiningState {
    return this.#state;
  }

  /** Whether this newcomer begins a cluster with others. Another newcomer counts on nobody else. */
  get isFounding(): boolean {
    return this.#isFounding;
  }

  /** Whether it may not even bring what it holds into a cluster that begins now. */
  async isApart(): Promise<boolean> {
    // The whole store may have to be looked through for it, and every newcomer asks.
    this.#apart ??= this.#ports.obstacle(0).then((obstacle) => obstacle !== undefined);
    try {
      return await this.#apart;
    } catch (error) {
      this.#apart = undefined;
      throw error;
    }
  }

  /** Whether it may be recorded with what it holds by a member that it has not asked for the floor: it may be that of today. */
  async mayBeFound(): Promise<boolean> {
    const { limits, now, obstacle } = this.#ports;
    return (await obstacle(floorAhead(0, now(), hlcFromMs(limits.tombstoneRetentionMs)))) === undefined;
  }

  /**
   * Goes on until this node is a member, or an introducer refuses its limits. Where it is not let in with what it holds, it asks nobody
   * any more.
   */
  start(): void {
    this.#cancel = this.#ports.timers.after(0, () => this.#attempt());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #attempt(): void {
    const step = this.#step();
    step.catch((error: unknown) => {
      this.#ports.troubles.failed("join_failed", error);
    });
    step
      .finally(() => {
        const isOver = this.#state.kind === "member" || this.#state.kind === "refused";
        if (this.#cancel === undefined || isOver) return;
        this.#cancel = this.#ports.timers.after(this.#retryMs, () => this.#attempt());
      })
      .catch(() => undefined);
  }

  async #step(): Promise<void> {
    // It stays true whoever goes from the table or comes into it while the disk is full.
    if (this.#majority !== undefined) return this.#becomeMember(this.#majority);
    const hasHeard = this.#ports.isTold() && this.#ports.others().length > 0;
    if (this.#state.kind === "not_let_in") {
      // Only who has recorded it tells it: what it sent to enter, in time, was under way, or came to one that was cut off since.
      if (!hasHeard) return;
      this.#state = JOINING;
    }
    // Who was let in by one that did not come to say who else there is begins anew: what it brings may have become too old meanwhile.
    await ((this.#isIn && hasHeard) || this.#isFounding ? this.#askWhoRecorded() : this.#greetSeeds());
  }

  async #greetSeeds(): Promise<void> {
    const resolved = await Promise.all(this.#seeds.map((seed) => this.#ports.resolveSeed(seed)));
    const addresses = [...new Set(resolved.flat())];
    const newcomers: Peer[] = [];
    for (const address of addresses) {
      const welcome = await this.#hello({ id: ANYONE, address });
      if (welcome === undefined) continue;
      const knobs = differingLimits(this.#ports.limits, welcome.limits);
      if (knobs.length > 0) {
        this.#state = { kind: "refused", by: address, knobs };
        this.#ports.log.error("limits_differ", { by: address, knobs: knobs.join(",") });
        return;
      }
      if (welcome.newcomer) {
        newcomers.push({ id: welcome.by ?? ANYONE, address });
        continue;
      }
      if (!this.#follows(welcome, address)) continue;
      const floor = floorAhead(welcome.floor, welcome.time, hlcFromMs(welcome.limits.tombstoneRetentionMs));
      const obstacle = welcome.related ? undefined : await this.#ports.obstacle(floor);
      if (obstacle !== undefined) return this.#isNotLetIn(address, floor, obstacle);
      // Only there: behind another address there may be another cluster, and this node would bring the two together.
      await this.#ports.letIn([address], welcome.by, []);
      await this.#ports.take(welcome.floor, welcome.watermark);
      this.#isIn = true;
      this.#ports.enter(address);
      return;
    }
    if (addresses.length === 0) {
      this.#ports.log.warn("join_failed", { at: this.#seeds.join(","), code: "no_address" });
    }
    if (newcomers.length === 0) return;
    const isNobodyMissing =
      newcomers.length === addresses.length && resolved.every((found) => found.length > 0);
    // A name that leads to nobody may be that of a member that is down.
    if (!isNobodyMissing || this.#ports.isLetIn()) {
      this.#ports.log.warn("join_failed", { at: addresses.join(","), code: "only_newcomers" });
      return;
    }
    const obstacle = await this.#ports.obstacle(0);
    if (obstacle !== undefined) return this.#isNotLetIn(addresses.join(","), 0, obstacle);
    await this.#foundWith(newcomers.filter(({ id }) => id !== this.#ports.self));
    this.#ports.found(addresses);
    this.#isFounding = true;
  }

  /** Who was told of itself alone has found nobody yet who could record it. */
  async #foundWith(others: readonly Peer[]): Promise<void> {
    if (others.length === 0) return;
    const found = new Map(others.map((peer) => [peer.id === ANYONE ? peer.address : peer.id, peer]));
    const ids = [...found.values()].map(({ id }) => id).filter((id) => id !== ANYONE);
    const at = others.map(({ address }) => address);
    await this.#ports.letIn(at, null, ids);
    this.#found = [...found.values()];
  }

  #isNotLetIn(by: string, floor: HlcTime, reason: Obstacle): void {
    this.#state = { kind: "not_let_in", by, reason };
    this.#ports.log.error("data_too_old", { by, floor, reason });
  }

  async #askWhoRecorded(): Promise<void> {
    const others = this.#ports.others();
    const open = this.#recorders.openOf(others);
    let { counted, needed } = this.#majorityOf(others);
    for (let at = 0; at < open.length && counted < needed; at += HELLOS_AT_ONCE) {
      const asked = open.slice(at, at + HELLOS_AT_ONCE);
      const answers = await Promise.all(asked.map((peer) => this.#askWhetherRecorded(peer)));
      ({ counted, needed } = this.#majorityOf(others));
      // Where most do not have it on disk yet, it is too early to ask the rest.
      if (answers.filter((isNews) => isNews).length < asked.length / 2) break;
    }
    if (counted < needed) {
      this.#state = { kind: "joining", recordedBy: counted, needed };
      return;
    }
    this.#majority = { recordedBy: counted, of: others.length };
    await this.#becomeMember(this.#majority);
  }

  #majorityOf(others: readonly Peer[]): Majority {
    const founders = this.#isFounding ? this.#found : undefined;
    return this.#recorders.majorityOf(others, founders, this.#ports.isTold());
  }

  /** @returns whether the answer brings a majority nearer */
  async #askWhetherRecorded(peer: Peer): Promise<boolean> {
    const welcome = await this.#hello(peer);
    const isRecorded = welcome?.recorded === true && this.#follows(welcome, peer.address);
    if (isRecorded) await this.#ports.take(welcome.floor, welcome.watermark);
    // The first founder that is a member: it tells who else there is, which counts from then on.
    if (welcome?.newcomer === false && !this.#ports.isTold()) this.#ports.enter(peer.address);
    return this.#recorders.heard(peer.id, welcome?.newcomer, isRecorded);
  }

  async #becomeMember(majority: { readonly recordedBy: number; readonly of: number }): Promise<void> {
    await this.#ports.recorded();
    this.#state = { kind: "member" };
    this.#ports.log.info("member", majority);
  }

  /** Whether the clock of whoever says this is near enough; if so, this node's follows it. */
  #follows({ time, floor, watermark }: HelloReply, address: string): boolean {
    const isNear = this.#ports.follow(Math.max(time, floor, watermark));
    if (!isNear) this.#ports.log.warn("join_failed", { at: address, code: "clock_drift" });
    return isNear;
  }

  async #hello(peer: Peer): Promise<HelloReply | undefined> {
    try {
      return expectWelcome(await this.#ports.transport.request(peer, this.#ports.hello(), this.#timeoutMs));
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
      const { reason } = error;
      const said = reason.code === "refused" ? reason.reason : undefined;
      const what = reason.code === "bad_message" ? { what: reason.what } : {};
      this.#ports.log.warn("join_failed", { at: peer.address, code: said ?? reason.code, ...what });
      // With nobody in its table there is nobody else who would tell it.
      if (said === "retired") this.#ports.retired();
      return undefined;
    }
  }
}

/** The names of those that are not the same. */
export function differingLimits(a: SharedLimits, b: SharedLimits): (keyof SharedLimits)[] {
  return (Object.keys(a) as (keyof SharedLimits)[]).filter((knob) => a[knob] !== b[knob]);
}

function expectWelcome(reply: PeerReply): HelloReply {
  if (reply.kind === "welcome") return reply;
  throw new PeerFault({ code: "bad_message", what: reply.kind });
}
