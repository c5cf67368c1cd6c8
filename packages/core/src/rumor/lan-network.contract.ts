/**
 * A local network on virtual time for the tests of the rumor machine: messages take 0.2 to 1 ms each way, a commit
 * 0.5 to 2 ms, and a node answers after its commit. The store of a node is a map from key to newest version.
 */
import type { Peer } from "../effects.ts";
import { type RandomSource, SeededRandom } from "../random.ts";
import { FullView } from "../sampling/full-view.ts";
import type { Version } from "../version.ts";
import {
  type CarriedRumor,
  type HeldRecord,
  type ReceivedRumor,
  type RumorEffect,
  type RumorHeldEvent,
  type RumorMessage,
  rumorOverheadBytes,
} from "./messages.ts";
import { RumorMonger } from "./monger.ts";
import { DEFAULT_RUMOR_OPTIONS, type RumorOptions } from "./options.ts";

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A binary heap by time, then by order of arrival. */
class Schedule {
  readonly #heap: Happening[] = [];
  #order = 0;
  now = 0;

  at(at: number, run: () => void): void {
    const heap = this.#heap;
    const added = { at, order: this.#order++, run };
    let i = heap.push(added) - 1;
    while (i > 0) {
      const above = (i - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !before(added, parent)) break;
      heap[i] = parent;
      i = above;
    }
    heap[i] = added;
  }

  /** Runs the next happening. False when there is none. */
  next(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return false;
    if (heap.length > 0) {
      let i = 0;
      for (;;) {
        const right = heap[2 * i + 2];
        const left = heap[2 * i + 1];
        const child =
          right !== undefined && left !== undefined && before(right, left) ? 2 * i + 2 : 2 * i + 1;
        const below = heap[child];
        if (below === undefined || !before(below, last)) break;
        heap[i] = below;
        i = child;
      }
      heap[i] = last;
    }
    this.now = first.at;
    first.run();
    return true;
  }
}

function before(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A rumor as the network carries it: with the record its sender held when it sent. */
interface Loaded {
  readonly rumor: CarriedRumor;
  readonly record: HeldRecord | undefined;
}

export class LanNode {
  readonly peer: Peer;
  readonly machine: RumorMonger;
  readonly store: Map<string, HeldRecord> = new Map();
  readonly held: RumorHeldEvent[] = [];
  isUp = true;

  constructor(peer: Peer, machine: RumorMonger) {
    this.peer = peer;
    this.machine = machine;
  }
}

export interface LanCounts {
  messages: number;
  /** Records that reached a node, needed or not. */
  records: number;
  /** Bytes of rumors and records, framing of messages left out. */
  bytes: number;
  largestMessageBytes: number;
  mostInFlightPerPipe: number;
}

export class LanNetwork {
  readonly nodes: LanNode[] = [];
  readonly counts: LanCounts = {
    messages: 0,
    records: 0,
    bytes: 0,
    largestMessageBytes: 0,
    mostInFlightPerPipe: 0,
  };
  /** For each write: when each node but the writer came to hold it, as delays in ms. */
  readonly delaysMs: number[] = [];
  /** Chance that a request or a reply is lost. */
  lossRate = 0;
  readonly #byId = new Map<string, LanNode>();
  readonly #schedule = new Schedule();
  readonly #random: RandomSource;
  readonly #options: RumorOptions;
  readonly #written = new Map<string, number>();
  readonly #inFlight = new Map<string, number>();

  constructor(size: number, seed: number, options: Partial<RumorOptions> = {}) {
    this.#random = new SeededRandom(seed);
    this.#options = { ...DEFAULT_RUMOR_OPTIONS, ...options };
    const peers = Array.from({ length: size }, (_, i) => ({
      id: `n${i}~0000000000`,
      address: `10.0.0.${i}`,
    }));
    for (const peer of peers) {
      const view = new FullView(peer.id, this.#random.fork());
      view.peersChanged(peers);
      const machine = new RumorMonger(this.#options, view, this.#random.fork());
      const node = new LanNode(peer, machine);
      this.nodes.push(node);
      this.#byId.set(peer.id, node);
      const others = peers.filter((other) => other !== peer);
      this.#perform(node, undefined, machine.peersChanged(others, size, 0));
    }
  }

  get now(): number {
    return this.#schedule.now;
  }

  node(index: number): LanNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  }

  at(at: number, run: () => void): void {
    this.#schedule.at(at, run);
  }

  /** A client's write at that time, through that node; the node's record is durable at once. */
  write(at: number, index: number, key: string, sizeBytes: number, acks = 0): void {
    this.#schedule.at(at, () => {
      const node = this.node(index);
      const version: Version = { time: Math.round(at * 1000), node: node.peer.id };
      const held = { versions: [version], sizeBytes };
      node.store.set(key, held);
      this.#written.set(`${key}/${version.time}`, at);
      this.#perform(node, undefined, node.machine.add({ key, ...held, origin: "write", acks }, at));
    });
  }

  /** Until nothing happens any more, or that time. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    while (this.#schedule.now < untilMs && this.#schedule.next());
  }

  /** (node, key) pairs whose node does not hold the newest version of the key that any node holds. */
  missing(): number {
    const newest = new Map<string, number>();
    for (const node of this.nodes) {
      for (const [key, held] of node.store) newest.set(key, Math.max(newest.get(key) ?? 0, timeOf(held)));
    }
    let missing = 0;
    for (const node of this.nodes) {
      for (const [key, time] of newest) if (timeOf(node.store.get(key)) < time) missing += 1;
    }
    return missing;
  }

  #perform(
    node: LanNode,
    reply: ((message: RumorMessage) => void) | undefined,
    effects: readonly RumorEffect[],
  ): void {
    for (const effect of effects) {
      if (effect.kind === "timer") {
        this.#schedule.at(this.now + effect.afterMs, () =>
          this.#perform(node, undefined, node.machine.onTimer(effect.timer, this.now)),
        );
      } else if (effect.kind === "reply") reply?.(effect.message);
      else if (effect.kind === "event") node.held.push(effect.event);
      else this.#request(node, effect);
    }
  }

  #request(node: LanNode, effect: Extract<RumorEffect, { kind: "request" }>): void {
    const pipe = `${node.peer.id}>${effect.to.id}`;
    const inFlight = (this.#inFlight.get(pipe) ?? 0) + 1;
    this.#inFlight.set(pipe, inFlight);
    this.counts.mostInFlightPerPipe = Math.max(this.counts.mostInFlightPerPipe, inFlight);
    let over = false;
    const finish = (step: () => readonly RumorEffect[]): void => {
      if (over) return;
      over = true;
      this.#inFlight.set(pipe, (this.#inFlight.get(pipe) ?? 1) - 1);
      this.#perform(node, undefined, step());
    };
    const fail = (): void => finish(() => node.machine.onFailure(effect.id, this.now));
    this.#schedule.at(this.now + effect.timeoutMs, fail);
    const target = this.#byId.get(effect.to.id);
    if (target === undefined) return;
    this.#carry(node, target, effect.message, (request, received) => {
      if (request.kind !== "rumor_request") return;
      const answer = (message: RumorMessage): void =>
        this.#carry(target, node, message, (reply, outcome) => {
          if (reply.kind !== "rumor_reply") return;
          finish(() => node.machine.onReply(effect.id, reply, outcome, this.now));
        });
      this.#perform(
        target,
        answer,
        target.machine.onRequest(node.peer, effect.id, request, received, this.now),
      );
    });
  }

  /** Loads, carries, stores and commits; then hands the message and what became of its rumors on. */
  #carry(
    from: LanNode,
    to: LanNode,
    message: RumorMessage,
    deliver: (message: RumorMessage, received: readonly ReceivedRumor[]) => void,
  ): void {
    const loaded: Loaded[] = message.rumors.map((rumor) => ({
      rumor,
      record: rumor.inline ? from.store.get(rumor.key) : undefined,
    }));
    this.#count(loaded);
    if (this.#random.next() < this.lossRate) return;
    this.#schedule.at(this.now + 0.2 + this.#random.next() * 0.8, () => {
      if (!to.isUp) return;
      const received = loaded.map(({ rumor, record }) => this.#store(to, rumor, record));
      const commit = loaded.length === 0 ? 0 : 0.5 + this.#random.next() * 1.5;
      this.#schedule.at(this.now + commit, () => {
        const durable = received.map((outcome, i) => {
          const rumor = loaded[i]?.rumor;
          return outcome.state === "lacking" && rumor !== undefined
            ? this.#store(to, rumor, undefined)
            : outcome;
        });
        deliver(message, durable);
      });
    });
  }

  #store(node: LanNode, rumor: CarriedRumor, record: HeldRecord | undefined): ReceivedRumor {
    const current = node.store.get(rumor.key);
    if (current !== undefined && timeOf(current) >= timeOf(record ?? rumor))
      return { state: "known", held: current };
    if (record === undefined) return { state: "lacking" };
    node.store.set(rumor.key, record);
    const writtenAt = this.#written.get(`${rumor.key}/${timeOf(record)}`);
    if (writtenAt !== undefined) this.delaysMs.push(this.now - writtenAt);
    return { state: "new", held: record };
  }

  #count(loaded: readonly Loaded[]): void {
    let bytes = 0;
    for (const { rumor, record } of loaded) {
      bytes += rumorOverheadBytes(rumor) + (record?.sizeBytes ?? 0);
      if (record !== undefined) this.counts.records += 1;
    }
    this.counts.messages += 1;
    this.counts.bytes += bytes;
    this.counts.largestMessageBytes = Math.max(this.counts.largestMessageBytes, bytes);
  }
}

function timeOf(held: { readonly versions: readonly Version[] } | undefined): number {
  return held?.versions[0]?.time ?? -1;
}
