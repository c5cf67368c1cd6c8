import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import type { MassReply, MassRequest } from "./messages.ts";
import {
  DEFAULT_PUSH_SUM_OPTIONS,
  PushSum,
  type PushSumEffect,
  type PushSumEstimate,
  validatePushSumOptions,
} from "./push-sum.ts";

interface Member {
  readonly peer: Peer;
  readonly machine: PushSum;
  readonly estimates: PushSumEstimate[];
}

/** Rounds in which each node sends half its mass to one of a few fixed peers: a partial view that stays. */
class Cluster {
  readonly members: Member[] = [];
  readonly #random = new SeededRandom(1);
  readonly #byId = new Map<string, Member>();
  requestLoss = 0;
  replyLoss = 0;
  unreachable = 0;

  constructor(size: number, viewSize: number, epochRounds = 1000) {
    const peers = Array.from({ length: size }, (_, i) => ({
      id: `n${String(i).padStart(4, "0")}~0000000000`,
      address: `h:${i}`,
    }));
    const draw = this.#random.fork();
    peers.forEach((peer, i) => {
      const view = Array.from(
        { length: viewSize },
        () => peers[Math.floor(draw.next() * size)] ?? peer,
      ).filter((other) => other !== peer);
      const sampler: PeerSampler = {
        sample: () => view.slice(Math.floor(draw.next() * view.length)).slice(0, 1),
      };
      const options = { ...DEFAULT_PUSH_SUM_OPTIONS, epochRounds };
      const machine = new PushSum(
        peer.id,
        options,
        sampler,
        this.#random.fork(),
        () => new Map([["keys", i]]),
      );
      const member = { peer, machine, estimates: [] };
      this.members.push(member);
      this.#byId.set(peer.id, member);
    });
  }

  round(times: number): void {
    for (let i = 0; i < times; i++) {
      for (const member of this.members) this.#perform(member, member.machine.onTimer());
    }
  }

  #perform(member: Member, effects: readonly PushSumEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "event") member.estimates.push(effect.event.estimate);
      if (effect.kind !== "request" || effect.message.kind !== "mass") continue;
      const reply = this.#ask(effect.to, effect.message);
      if (typeof reply === "string") member.machine.onFailure(effect.id, { kind: reply });
      else this.#perform(member, member.machine.onReply(effect.id, reply));
    }
  }

  #ask(to: Peer, message: MassRequest): MassReply | "unreachable" | "timeout" {
    const target = this.#byId.get(to.id);
    if (target === undefined || this.#random.next() < this.unreachable) return "unreachable";
    if (this.#random.next() < this.requestLoss) return "timeout";
    const effects = target.machine.onRequest(1, message);
    this.#perform(target, effects);
    if (this.#random.next() < this.replyLoss) return "timeout";
    for (const effect of effects) {
      if (effect.kind === "reply" && effect.message.kind === "mass-reply") return effect.message;
    }
    return "timeout";
  }

  /** The weight and the count of nodes in the run of the smallest id. */
  totals(): { readonly weight: number; readonly count: number; readonly joined: number } {
    let weight = 0;
    let count = 0;
    let joined = 0;
    for (const { machine } of this.members) {
      if (machine.leader !== this.members[0]?.peer.id) continue;
      joined += 1;
      weight += machine.weight;
      count += (machine.estimate?.size ?? 0) * machine.weight;
    }
    return { weight, count, joined };
  }

  worstError(): number {
    const size = this.members.length;
    const sum = (size * (size - 1)) / 2;
    return Math.max(
      ...this.members.map(({ machine }) => {
        const { estimate } = machine;
        if (estimate === undefined) return Number.POSITIVE_INFINITY;
        return Math.max(
          Math.abs(estimate.size / size - 1),
          Math.abs((estimate.sums.get("keys") ?? 0) / sum - 1),
          Math.abs((estimate.averages.get("keys") ?? 0) / (sum / size) - 1),
        );
      }),
    );
  }
}

describe("push-sum over partial views of 20 peers", () => {
  test.each([50, 200, 1000])(
    "%i nodes all know size, sum and average to 1% after O(log n) rounds",
    (size) => {
      const cluster = new Cluster(size, 20);
      cluster.round(Math.ceil(4 * Math.log2(size)) + 10);
      expect(cluster.worstError()).toBeLessThan(0.01);
    },
  );

  test("mass is conserved when replies are lost and when peers cannot be reached", () => {
    const cluster = new Cluster(200, 20);
    cluster.replyLoss = 0.2;
    cluster.unreachable = 0.2;
    cluster.round(60);
    const { weight, count, joined } = cluster.totals();
    expect(joined).toBe(200);
    expect(weight).toBeCloseTo(1, 9);
    expect(count).toBeCloseTo(200, 6);
    expect(cluster.worstError()).toBeLessThan(0.01);
  });

  test("mass in lost requests is gone, and the next epoch has it all again", () => {
    const cluster = new Cluster(100, 20, 60);
    cluster.requestLoss = 0.05;
    cluster.round(59);
    expect(cluster.totals().weight).toBeLessThan(0.9);
    cluster.requestLoss = 0;
    cluster.round(55);
    expect(cluster.members.every(({ machine }) => machine.epoch === 1)).toBe(true);
    expect(cluster.totals().weight).toBeCloseTo(1, 9);
    expect(cluster.worstError()).toBeLessThan(0.01);
  });

  test("each epoch ends with one estimate at every node", () => {
    const cluster = new Cluster(50, 20, 40);
    cluster.round(130);
    for (const { estimates } of cluster.members) {
      expect(estimates.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
      for (const estimate of estimates) expect(Math.abs(estimate.size - 50)).toBeLessThan(0.5);
    }
  });
});

describe("a node of push-sum", () => {
  const none: PeerSampler = { sample: () => [] };

  function alone(): PushSum {
    const options = { ...DEFAULT_PUSH_SUM_OPTIONS, maxSums: 2 };
    return new PushSum("b~0000000000", options, none, new SeededRandom(1), () => new Map([["keys", 5]]));
  }

  function mass(
    leader: string,
    epoch: number,
    weight: number,
    sums: readonly (readonly [string, number])[],
  ): MassRequest {
    return { kind: "mass", leader, epoch, weight, sums };
  }

  test("alone counts itself", () => {
    expect(alone().estimate).toEqual({
      epoch: 0,
      size: 1,
      sums: new Map([["keys", 5]]),
      averages: new Map([["keys", 5]]),
    });
  });

  test("refuses mass of an older epoch and of a larger leader, and names its own run", () => {
    const machine = alone();
    machine.onRequest(1, mass("a~0000000000", 3, 0.5, [["", 1]]));
    const before = machine.estimate;
    for (const request of [
      mass("a~0000000000", 2, 0.5, [["", 1]]),
      mass("b~0000000000", 3, 0.5, [["", 1]]),
    ]) {
      expect(machine.onRequest(2, request)).toEqual([
        { kind: "reply", token: 2, message: { kind: "mass-reply", epoch: 3, leader: "a~0000000000" } },
      ]);
    }
    expect(machine.estimate).toEqual(before);
  });

  test("takes no infinity, no weight outside a run's, and no more names than it may carry", () => {
    const machine = alone();
    machine.onRequest(1, mass("b~0000000000", 0, 0.1, [["keys", Number.POSITIVE_INFINITY]]));
    machine.onRequest(1, mass("b~0000000000", 0, 1e9, [["keys", 1]]));
    machine.onRequest(1, mass("b~0000000000", 0, -1, [["keys", 1]]));
    expect(machine.estimate?.sums).toEqual(new Map([["keys", 5]]));
    machine.onRequest(
      1,
      mass("b~0000000000", 0, 0, [
        ["x", 1],
        ["y", 1],
        ["z", 1],
      ]),
    );
    expect([...(machine.estimate?.sums.keys() ?? [])]).toEqual(["keys", "x"]);
  });

  test("options are checked", () => {
    expect(validatePushSumOptions(DEFAULT_PUSH_SUM_OPTIONS)).toEqual([]);
    expect(validatePushSumOptions({ ...DEFAULT_PUSH_SUM_OPTIONS, epochRounds: 1 })).toEqual([
      { code: "option_out_of_range", option: "epochRounds", min: 4 },
    ]);
  });
});
