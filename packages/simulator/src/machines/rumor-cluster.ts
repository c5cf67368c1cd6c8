/**
 * Rumor machines on virtual time: messages take their time, a record is durable after its commit, and a node answers
 * after that. The store of a node is a map from key to newest version. Nothing but rumors repairs anything.
 */
import {
  type CarriedRumor,
  DEFAULT_RUMOR_OPTIONS,
  type HeldRecord,
  type Peer,
  type RandomSource,
  type ReceivedRumor,
  type RumorEffect,
  RumorMonger,
  type RumorOptions,
  type RumorReply,
  type RumorRequest,
  SeededRandom,
  type Version,
} from "@hearsay/core";
import { Agenda } from "./agenda.ts";
import { CallNetwork, type NetworkSettings } from "./call-network.ts";
import { rosterOf, SharedView } from "./roster.ts";
import { type Loaded, RumorSizes } from "./rumor-sizes.ts";

export interface RumorClusterSettings {
  readonly nodes: number;
  readonly seed: number;
  readonly network: NetworkSettings;
  /** Shortest and longest time until a record is durable. */
  readonly commitMs: readonly [number, number];
  readonly options?: Partial<RumorOptions>;
}

interface RumorNode {
  readonly peer: Peer;
  readonly machine: RumorMonger;
  readonly held: Map<string, HeldRecord>;
}

/** One write: when it was made and how long, in milliseconds, each of the other nodes took to hold it. */
export interface Spread {
  readonly writtenAtMs: number;
  readonly delaysMs: number[];
}

export class RumorCluster {
  readonly agenda: Agenda = new Agenda();
  readonly network: CallNetwork<Loaded<RumorRequest>, Loaded<RumorReply>>;
  /** By key and time of the version. */
  readonly spreads: Map<string, Spread> = new Map();
  /** Records that reached a node, needed or not. */
  records = 0;
  readonly #nodes: RumorNode[] = [];
  readonly #commitMs: readonly [number, number];
  readonly #random: RandomSource;

  constructor({ nodes, seed, network, commitMs, options = {} }: RumorClusterSettings) {
    const random = new SeededRandom(seed);
    this.#random = random.fork();
    this.#commitMs = commitMs;
    this.network = new CallNetwork(this.agenda, network, random.fork(), new RumorSizes());
    const effective = { ...DEFAULT_RUMOR_OPTIONS, ...options };
    const roster = rosterOf(nodes);
    const pool = [...roster];
    // Only mail, and a rumor that every peer is remembered to hold, look at the list itself.
    const exact = Math.max(effective.directMailMax, effective.settledMax) >= nodes - 1;
    for (const peer of roster) {
      const view = new SharedView(peer, pool, random.fork());
      const machine = new RumorMonger(effective, view, random.fork());
      const node: RumorNode = { peer, machine, held: new Map() };
      this.#nodes.push(node);
      this.network.serve(peer.address, (from, { message, records }, answer) =>
        this.#stored(node, message.rumors, records, (received) => {
          const effects = machine.onRequest(from, 0, message, received, this.agenda.nowMs);
          this.#perform(node, effects, answer);
        }),
      );
      const live = exact ? roster.filter((other) => other !== peer) : roster;
      this.#perform(node, machine.peersChanged(live, nodes, 0));
    }
  }

  /** A client's write at that time through that node; the node's own record is durable at once. */
  write(atMs: number, index: number, key: string, sizeBytes: number): void {
    this.agenda.at(atMs, () => {
      const node = this.#nodes[index];
      if (node === undefined) return;
      const version: Version = { time: Math.round(atMs * 1000) + 1, node: node.peer.id };
      const record = { versions: [version], sizeBytes };
      node.held.set(key, record);
      this.spreads.set(`${key}/${version.time}`, { writtenAtMs: this.agenda.nowMs, delaysMs: [] });
      const effects = node.machine.add({ key, ...record, origin: "write", acks: 0 }, this.agenda.nowMs);
      this.#perform(node, effects);
    });
  }

  #perform(
    node: RumorNode,
    effects: readonly RumorEffect[],
    answer?: (reply: Loaded<RumorReply>) => void,
  ): void {
    for (const effect of effects) {
      if (effect.kind === "timer") {
        this.network.after(node.peer.address, effect.afterMs, () =>
          this.#perform(node, node.machine.onTimer(effect.timer, this.agenda.nowMs)),
        );
      } else if (effect.kind === "reply") answer?.(this.#load(node, effect.message));
      else if (effect.kind === "request") this.#request(node, effect);
    }
  }

  #request(node: RumorNode, { id, to, message, timeoutMs }: Extract<RumorEffect, { kind: "request" }>): void {
    this.network.call(node.peer, to, this.#load(node, message), timeoutMs, (reply) => {
      if (reply === undefined) {
        this.#perform(node, node.machine.onFailure(id, this.agenda.nowMs));
        return;
      }
      this.#stored(node, reply.message.rumors, reply.records, (received) =>
        this.#perform(node, node.machine.onReply(id, reply.message, received, this.agenda.nowMs)),
      );
    });
  }

  #load<Message extends { readonly rumors: readonly CarriedRumor[] }>(
    node: RumorNode,
    message: Message,
  ): Loaded<Message> {
    return {
      message,
      records: message.rumors.map((rumor) => (rumor.inline ? node.held.get(rumor.key) : undefined)),
    };
  }

  /** Stores what came; says what became of it once it is durable. */
  #stored(
    node: RumorNode,
    rumors: readonly CarriedRumor[],
    records: readonly (HeldRecord | undefined)[],
    then: (received: readonly ReceivedRumor[]) => void,
  ): void {
    const outcomes = rumors.map((rumor, i) => this.#store(node, rumor, records[i]));
    if (outcomes.length === 0) {
      then([]);
      return;
    }
    const [least, most] = this.#commitMs;
    this.agenda.after(least + this.#random.next() * (most - least), () => {
      // What was lacking may have come meanwhile.
      const durable = outcomes.map((outcome, i) => {
        const rumor = rumors[i];
        return outcome.state === "lacking" && rumor !== undefined
          ? this.#store(node, rumor, undefined)
          : outcome;
      });
      then(durable);
    });
  }

  #store(node: RumorNode, rumor: CarriedRumor, record: HeldRecord | undefined): ReceivedRumor {
    if (record !== undefined) this.records += 1;
    const current = node.held.get(rumor.key);
    if (current !== undefined && timeOf(current) >= timeOf(record ?? rumor))
      return { state: "known", held: current };
    if (record === undefined) return { state: "lacking" };
    node.held.set(rumor.key, record);
    const spread = this.spreads.get(`${rumor.key}/${timeOf(record)}`);
    spread?.delaysMs.push(this.agenda.nowMs - spread.writtenAtMs);
    return { state: "new", held: record };
  }
}

function timeOf({ versions }: { readonly versions: readonly Version[] }): number {
  return versions[0]?.time ?? -1;
}
