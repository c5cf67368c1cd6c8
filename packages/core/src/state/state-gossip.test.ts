import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import { FullView } from "../sampling/full-view.ts";
import type { StateReply, StateRequest } from "./messages.ts";
import { NodeStates } from "./node-states.ts";
import {
  DEFAULT_STATE_GOSSIP_OPTIONS,
  type StateEffect,
  StateGossip,
  type StateGossipOptions,
  validateStateGossipOptions,
} from "./state-gossip.ts";

interface Member {
  readonly peer: Peer;
  readonly states: NodeStates;
  readonly gossip: StateGossip;
}

/** Rounds in which each node begins one exchange with a random other. */
class Cluster {
  readonly members = new Map<string, Member>();
  readonly #random = new SeededRandom(1);
  readonly #options: StateGossipOptions;
  readonly #peers: Peer[] = [];
  lossRate = 0;
  entriesInLargest = 0;

  constructor(size: number, options: Partial<StateGossipOptions> = {}) {
    this.#options = { ...DEFAULT_STATE_GOSSIP_OPTIONS, ...options };
    for (let i = 0; i < size; i++) this.#peers.push({ id: `n${i}~0000000000`, address: `h:${i}` });
    for (const peer of this.#peers) this.start(peer, 1);
  }

  /** Starts the node, or starts it again with nothing but its generation. */
  start(peer: Peer, generation: number): Member {
    const view = new FullView(peer.id, this.#random.fork());
    view.peersChanged(this.#peers);
    const states = new NodeStates(peer.id, generation);
    states.set("address", peer.address);
    const member = {
      peer,
      states,
      gossip: new StateGossip(states, this.#options, view, this.#random.fork()),
    };
    this.members.set(peer.id, member);
    return member;
  }

  round(times = 1): void {
    for (let i = 0; i < times; i++) {
      for (const member of this.members.values()) this.#perform(member, member.gossip.onTimer());
    }
  }

  #perform(member: Member, effects: readonly StateEffect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "request") continue;
      const reply = this.#ask(effect.to, effect.message);
      if (reply === undefined) member.gossip.onFailure(effect.id);
      else this.#perform(member, member.gossip.onReply(effect.id, reply));
    }
  }

  #ask(to: Peer, message: StateRequest | StateReply): StateReply | undefined {
    const target = this.members.get(to.id);
    if (message.kind !== "state-digest" && message.kind !== "state-delta") return undefined;
    if (target === undefined || this.#random.next() < this.lossRate) return undefined;
    for (const effect of target.gossip.onRequest(1, message)) {
      if (effect.kind !== "reply" || this.#random.next() < this.lossRate) continue;
      const reply = effect.message;
      if (reply.kind === "state-answer") {
        const entries = reply.deltas.reduce((sum, { entries }) => sum + entries.length, 0);
        this.entriesInLargest = Math.max(this.entriesInLargest, entries);
      }
      if (reply.kind === "state-answer" || reply.kind === "state-done") return reply;
    }
    return undefined;
  }

  member(index: number): Member {
    const member = this.members.get(`n${index}~0000000000`);
    if (member === undefined) throw new Error(`no node ${index}`);
    return member;
  }

  /** Whether every node shows of every node what that node says of itself. */
  agrees(): boolean {
    for (const { states } of this.members.values()) {
      if (states.size !== this.members.size) return false;
      for (const { peer, states: said } of this.members.values()) {
        const seen = states.get(peer.id);
        const { generation, maxVersion, values } = said.self;
        if (seen?.generation !== generation || seen.maxVersion !== maxVersion) return false;
        for (const [key, { value }] of values) if (seen.values.get(key)?.value !== value) return false;
      }
    }
    return true;
  }

  roundsToAgree(max: number): number {
    for (let round = 1; round <= max; round++) {
      this.round();
      if (this.agrees()) return round;
    }
    return Number.POSITIVE_INFINITY;
  }
}

describe("node states by digest and delta", () => {
  test.each([8, 32, 128])("%i nodes that know nothing of one another agree in O(log n) rounds", (size) => {
    expect(new Cluster(size).roundsToAgree(50)).toBeLessThanOrEqual(Math.log2(size) + 2);
  });

  test("one change among 128 nodes is everywhere within log2 n rounds", () => {
    const cluster = new Cluster(128);
    cluster.round(12);
    cluster.member(7).states.set("keys", 42);
    expect(cluster.roundsToAgree(50)).toBeLessThanOrEqual(7);
    expect(cluster.member(99).states.get("n7~0000000000")?.values.get("keys")?.value).toBe(42);
  });

  test("a returning node's higher generation wins everywhere, and what only its former self said is gone", () => {
    const cluster = new Cluster(32);
    cluster.member(3).states.set("load", 0.5);
    cluster.round(12);
    cluster.start(cluster.member(3).peer, 2);
    cluster.round(12);
    expect(cluster.agrees()).toBe(true);
    const seen = cluster.member(20).states.get("n3~0000000000");
    expect(seen?.generation).toBe(2);
    expect(seen?.values.has("load")).toBe(false);
  });

  test("a node that comes back with too low a generation begins one above it", () => {
    const cluster = new Cluster(8);
    cluster.start(cluster.member(3).peer, 9);
    cluster.round(8);
    cluster.start(cluster.member(3).peer, 2);
    cluster.round(8);
    expect(cluster.agrees()).toBe(true);
    expect(cluster.member(0).states.get("n3~0000000000")?.generation).toBeGreaterThan(9);
  });

  test("messages far too small for everything still bring everything, a little later", () => {
    const cluster = new Cluster(32, { maxPartBytes: 700 });
    for (const { states } of cluster.members.values()) {
      for (const key of ["zone", "keys", "bytes", "load", "root", "build"]) states.set(key, 1);
    }
    expect(cluster.roundsToAgree(200)).toBeLessThan(200);
    expect(cluster.entriesInLargest).toBeLessThanOrEqual(700 / 27);
  });

  test("lost messages delay and never damage", () => {
    const cluster = new Cluster(32);
    cluster.lossRate = 0.3;
    expect(cluster.roundsToAgree(60)).toBeLessThan(25);
  });

  test("a retired node disappears everywhere it is retired, and gossip does not bring it back", () => {
    const cluster = new Cluster(16);
    cluster.round(10);
    cluster.members.delete("n5~0000000000");
    for (const [i, { states }] of [...cluster.members.values()].entries()) {
      if (i % 2 === 0) states.retire(["n5~0000000000"]);
    }
    cluster.round(10);
    for (const [i, { states, gossip }] of [...cluster.members.values()].entries()) {
      expect(states.get("n5~0000000000") === undefined).toBe(i % 2 === 0);
      expect(gossip.ignored.malformed + gossip.ignored.gap).toBe(0);
    }
  });
});

test("one exchange is open at a time, and answers to another change nothing", () => {
  const { gossip } = new Cluster(4).member(0);
  expect(gossip.onTimer().filter((effect) => effect.kind === "request")).toHaveLength(1);
  expect(gossip.onTimer().filter((effect) => effect.kind === "request")).toHaveLength(0);
  const deltas = [
    { node: "x~0000000000", generation: 1, after: 0, entries: [{ key: "k", value: 1, version: 1 }] },
  ];
  expect(gossip.onReply(99, { kind: "state-answer", digests: [], deltas })).toEqual([]);
});

test("options are checked", () => {
  expect(validateStateGossipOptions(DEFAULT_STATE_GOSSIP_OPTIONS)).toEqual([]);
  expect(validateStateGossipOptions({ ...DEFAULT_STATE_GOSSIP_OPTIONS, maxPartBytes: 10 })).toEqual([
    { code: "option_out_of_range", option: "maxPartBytes", min: 4096 },
  ]);
});

test("a round may be further away while nothing is going on", () => {
  const view = new FullView("n0~0000000000", new SeededRandom(1));
  const states = new NodeStates("n0~0000000000", 1);
  const gossip = new StateGossip(states, DEFAULT_STATE_GOSSIP_OPTIONS, view, new SeededRandom(1));
  const pause = (effects: readonly StateEffect[]): number[] =>
    effects.flatMap((effect) => (effect.kind === "timer" ? [effect.afterMs] : []));
  expect(pause(gossip.onTimer())).toEqual([1000]);
  expect(pause(gossip.onTimer(2))).toEqual([2000]);
});

describe("meetings", () => {
  const member = () => new Cluster(3).members.values().next().value ?? raise();
  const other = { id: "n1~0000000000", address: "h:1" };
  const requests = (effects: readonly StateEffect[]) => effects.filter(({ kind }) => kind === "request");
  const ended = (gossip: StateGossip, effects: readonly StateEffect[]) => {
    for (const effect of effects) if (effect.kind === "request") gossip.onFailure(effect.id);
    return requests(effects).length;
  };

  test("a meeting is a round with that peer, and the next one that is due is left out for it", () => {
    const { gossip } = member();
    const [met] = gossip.meet(other);
    expect(met).toMatchObject({ kind: "request", to: other, message: { kind: "state-digest" } });
    expect(ended(gossip, gossip.meet(other))).toBe(0);
    gossip.onFailure(met?.kind === "request" ? met.id : -1);
    expect(ended(gossip, gossip.onTimer())).toBe(0);
    expect(ended(gossip, gossip.onTimer())).toBe(1);
  });

  test("however often exchanges end, no more than two of them in an interval become meetings", () => {
    const { gossip } = member();
    let rounds = 0;
    for (let i = 0; i < 50; i++) rounds += ended(gossip, gossip.meet(other));
    expect(rounds).toBe(2);
    expect(ended(gossip, gossip.onTimer())).toBe(0);
    expect(ended(gossip, gossip.meet(other))).toBe(1);
  });
});

function raise(): never {
  throw new Error("the cluster is empty");
}
