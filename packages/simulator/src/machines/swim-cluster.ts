/**
 * Membership machines on virtual time, with nodes that crash and come back as they were. Everything follows from the seed.
 */
import {
  type Member,
  type Peer,
  peerOf,
  type RandomSource,
  SeededRandom,
  SWIM_DEFAULTS,
  Swim,
  type SwimConfig,
  type SwimEffect,
  type SwimEvent,
  type SwimReply,
  type SwimRequest,
  shuffled,
} from "@hearsay/core";
import { encodeReply, encodeRequest } from "@hearsay/wire";
import { Agenda } from "./agenda.ts";
import { CallNetwork, type NetworkSettings } from "./call-network.ts";
import { rosterOf } from "./roster.ts";

export interface SwimClusterSettings {
  readonly nodes: number;
  readonly seed: number;
  readonly network: NetworkSettings;
  readonly config?: Partial<SwimConfig>;
  /** Members each node knows at the start besides itself, drawn at random; all of them if left out. */
  readonly knownMax?: number;
}

interface SwimNode {
  readonly member: Member;
  readonly swim: Swim;
  readonly answers: Map<number, (reply: SwimReply) => void>;
}

/** Nobody is retired here, which is all the hash is for: that it tells lists of the same length apart is not needed. */
const hash = (canonical: string): string => canonical.length.toString(16).padStart(16, "0");

function memberOf(peer: Peer): Member {
  return {
    ...peer,
    generation: 0,
    state: "alive",
    zone: "",
    protocol: { min: 1, max: 1 },
    build: "0.1.0",
  };
}

export class SwimCluster {
  readonly agenda: Agenda = new Agenda();
  readonly network: CallNetwork<SwimRequest, SwimReply>;
  readonly members: readonly Member[];
  /** Sees every request as it leaves. */
  onRequest: (from: Peer, to: Peer, message: SwimRequest) => void = () => undefined;
  onEvent: (at: Member, event: SwimEvent) => void = () => undefined;
  readonly #nodes = new Map<string, SwimNode>();
  #token = 0;

  constructor({ nodes, seed, network, config = {}, knownMax }: SwimClusterSettings) {
    const random = new SeededRandom(seed);
    this.network = new CallNetwork(this.agenda, network, random.fork(), {
      request: ({ id }, message) => encodeRequest({ cluster: "hearsay", from: id, message }).length,
      reply: ({ id }, message) => encodeReply({ from: id, message }).length,
    });
    this.members = rosterOf(nodes).map(memberOf);
    const effective = { ...SWIM_DEFAULTS, ...config };
    for (const member of this.members) {
      const known = knownMax === undefined ? this.members : someOf(this.members, knownMax, random);
      const options = { self: member, config: effective, random: random.fork(), hash };
      const begun = { known: { members: known, retired: [] }, entered: false };
      const swim = new Swim({ ...options, ...begun, belongs: () => false, boundTo: () => [] });
      const node: SwimNode = { member, swim, answers: new Map() };
      this.#nodes.set(member.id, node);
      this.network.serve(member.address, (_from, message, answer) => {
        this.#token += 1;
        node.answers.set(this.#token, answer);
        this.#perform(node, swim.request(message, this.#token, this.agenda.nowMs));
      });
      this.#perform(node, swim.start(this.agenda.nowMs));
    }
  }

  /** What a node believes of another; undefined when it does not know it. */
  believes(at: Member, of: Member): string | undefined {
    return this.#nodes.get(at.id)?.swim.table.stateOf(of.id);
  }

  #perform(node: SwimNode, effects: readonly SwimEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "event":
          this.onEvent(node.member, effect.event);
          break;
        case "timer":
          this.network.after(node.member.address, effect.afterMs, () =>
            this.#perform(node, node.swim.timer(effect.timer, this.agenda.nowMs)),
          );
          break;
        case "request":
          this.#request(node, effect);
          break;
        case "reply":
          node.answers.get(effect.token)?.(effect.message);
          node.answers.delete(effect.token);
      }
    }
  }

  #request(node: SwimNode, { id, to, message, timeoutMs }: Extract<SwimEffect, { kind: "request" }>): void {
    this.onRequest(node.member, to, message);
    this.network.call(peerOf(node.member), to, message, timeoutMs, (reply) => {
      const nowMs = this.agenda.nowMs;
      const effects =
        reply === undefined
          ? node.swim.failed(id, { kind: "timeout" }, nowMs)
          : node.swim.reply(id, reply, nowMs);
      this.#perform(node, effects);
    });
  }
}

function someOf(members: readonly Member[], count: number, random: RandomSource): readonly Member[] {
  if (count >= members.length) return members;
  const drawn = new Set<Member>();
  while (drawn.size < count) {
    const member = members[Math.floor(random.next() * members.length)];
    if (member !== undefined) drawn.add(member);
  }
  return shuffled(random, [...drawn]);
}
