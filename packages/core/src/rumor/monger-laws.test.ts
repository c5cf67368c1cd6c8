import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import { FullView } from "../sampling/full-view.ts";
import { LanNetwork } from "./lan-network.contract.ts";
import type {
  CarriedRumor,
  ReceivedRumor,
  RumorAnswer,
  RumorEffect,
  RumorRequest,
  RumorTimer,
  RumorVerdict,
} from "./messages.ts";
import { rumorOverheadBytes } from "./messages.ts";
import { RumorMonger } from "./monger.ts";
import { DEFAULT_RUMOR_OPTIONS, type RumorOptions } from "./options.ts";

type Step =
  | { readonly kind: "add"; readonly key: number; readonly size: number; readonly acks: number }
  | {
      readonly kind: "asked";
      readonly peer: number;
      readonly keys: readonly number[];
      readonly pull: boolean;
    }
  | {
      readonly kind: "answered";
      readonly open: number;
      readonly verdict: RumorVerdict;
      readonly keys: readonly number[];
    }
  | { readonly kind: "failed"; readonly open: number }
  | { readonly kind: "timer" }
  | { readonly kind: "peers"; readonly count: number };

const key = fc.integer({ min: 0, max: 5 });
const keys = fc.array(key, { maxLength: 4 });
const verdict = fc.constantFrom<RumorVerdict>("new", "known", "wanted", "promised", "refused");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    key,
    size: fc.integer({ min: 1, max: 9000 }),
    acks: fc.nat(3),
  }),
  fc.record({ kind: fc.constant("asked" as const), peer: fc.nat(11), keys, pull: fc.boolean() }),
  fc.record({ kind: fc.constant("answered" as const), open: fc.nat(20), verdict, keys }),
  fc.record({ kind: fc.constant("failed" as const), open: fc.nat(20) }),
  fc.record({ kind: fc.constant("timer" as const) }),
  fc.record({ kind: fc.constant("peers" as const), count: fc.integer({ min: 0, max: 12 }) }),
);

const OPTIONS: RumorOptions = {
  ...DEFAULT_RUMOR_OPTIONS,
  directMailMax: 3,
  maxMessageBytes: 8192,
  maxRumorsPerMessage: 4,
  hotMaxEntries: 4,
  wantsMax: 3,
};

/** A machine whose peers say anything at any time; checks what must hold whatever they say. */
class Bench {
  readonly #peers: readonly Peer[];
  readonly #view: FullView;
  readonly #machine: RumorMonger;
  readonly #open = new Map<number, string>();
  #timers: { readonly at: number; readonly timer: RumorTimer }[] = [];
  #now = 0;
  #version = 0;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#peers = Array.from({ length: 12 }, (_, i) => ({ id: `p${i}~0000000000`, address: `h:${i}` }));
    this.#view = new FullView("self~0000000000", random.fork());
    this.#machine = new RumorMonger(OPTIONS, this.#view, random.fork());
  }

  do(step: Step): void {
    this.#now += 1;
    const machine = this.#machine;
    if (step.kind === "peers") {
      const live = this.#peers.slice(0, step.count);
      this.#view.peersChanged(live);
      this.#check(machine.peersChanged(live, live.length + 1, this.#now));
    } else if (step.kind === "add") {
      const rumor = {
        key: `k${step.key}`,
        ...this.#held(step.size),
        origin: "write",
        acks: step.acks,
      } as const;
      this.#check(machine.add(rumor, this.#now));
    } else if (step.kind === "asked") this.#asked(step.peer, step.keys, step.pull);
    else if (step.kind === "timer") this.#fire();
    else this.#settle(step);
  }

  /** Every request fails and every timer fires, until nothing is left to happen. */
  drain(): void {
    for (let i = 0; i < 5000 && (this.#open.size > 0 || this.#timers.length > 0); i++) {
      this.#now += 1;
      for (const id of [...this.#open.keys()]) this.do({ kind: "failed", open: id });
      this.#fire();
    }
    expect(this.#machine.isQuiet).toBe(true);
  }

  #held(sizeBytes: number) {
    this.#version += 1;
    return { versions: [{ time: this.#version, node: "w~0000000000" }], sizeBytes };
  }

  #rumors(keys: readonly number[]): { rumors: readonly CarriedRumor[]; received: readonly ReceivedRumor[] } {
    const rumors = keys.map((k, i) => ({
      key: `k${k}`,
      ...this.#held(100),
      hops: i,
      mailed: i % 3 === 2,
      inline: i % 2 === 0,
    }));
    const received = rumors.map(({ inline, versions, sizeBytes }, i): ReceivedRumor => {
      if (!inline) return { state: "lacking" };
      return i === 2 ? { state: "refused" } : { state: "new", held: { versions, sizeBytes } };
    });
    return { rumors, received };
  }

  #asked(peer: number, keys: readonly number[], pull: boolean): void {
    const { rumors, received } = this.#rumors(keys);
    const wants = keys.slice(0, 1).map((k) => ({ key: `k${k}`, ...this.#held(100), hops: 0, mailed: false }));
    const answers = {
      turn: this.#now % 5,
      list: keys.map((k) => ({ key: `k${k}`, verdict: "known" as const })),
    };
    const request: RumorRequest = { kind: "rumor_request", rumors, wants, answers, pull };
    const from = this.#peers[peer];
    if (from !== undefined) this.#check(this.#machine.onRequest(from, 1, request, received, this.#now));
  }

  #settle(step: Extract<Step, { kind: "answered" | "failed" }>): void {
    const id = [...this.#open.keys()][step.open % Math.max(1, this.#open.size)];
    if (id === undefined) return;
    this.#open.delete(id);
    if (step.kind === "failed") {
      this.#check(this.#machine.onFailure(id, this.#now));
      return;
    }
    const { rumors, received } = this.#rumors(step.keys);
    const answers = [0, 1, 2, 3, 4, 5].map((k): RumorAnswer => ({ key: `k${k}`, verdict: step.verdict }));
    this.#check(
      this.#machine.onReply(id, { kind: "rumor_reply", turn: 1, answers, rumors }, received, this.#now),
    );
  }

  #fire(): void {
    this.#timers.sort((a, b) => a.at - b.at);
    const next = this.#timers.shift();
    if (next === undefined) return;
    this.#now = Math.max(this.#now, next.at);
    this.#check(this.#machine.onTimer(next.timer, this.#now));
  }

  #check(effects: readonly RumorEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "timer") this.#timers.push({ at: this.#now + effect.afterMs, timer: effect.timer });
      if (effect.kind !== "request" && effect.kind !== "reply") continue;
      const { rumors } = effect.message;
      const bytes = rumors.reduce((sum, r) => sum + rumorOverheadBytes(r) + (r.inline ? r.sizeBytes : 0), 0);
      expect(bytes).toBeLessThanOrEqual(OPTIONS.maxMessageBytes);
      expect(rumors.length).toBeLessThanOrEqual(OPTIONS.maxRumorsPerMessage);
      if (effect.kind === "reply") continue;
      expect([...this.#open.values()]).not.toContain(effect.to.id);
      this.#open.set(effect.id, effect.to.id);
    }
    expect(this.#machine.hotEntries).toBeLessThanOrEqual(OPTIONS.hotMaxEntries);
  }
}

describe("whatever peers say", () => {
  test("each has one request in flight, messages and lists stay in their bounds, and all ends in the end", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, seed) => {
        const bench = new Bench(seed);
        bench.do({ kind: "peers", count: 12 });
        for (const each of steps) bench.do(each);
        bench.drain();
      }),
      { numRuns: 300 },
    );
  });
});

describe("every mode brings every write to all of 16 nodes", () => {
  const modes: readonly Partial<RumorOptions>[] = [
    { mode: "push", loss: "feedback_counter" },
    { mode: "push", loss: "blind_coin", k: 12 },
    { mode: "pull", loss: "feedback_counter", k: 4 },
    { mode: "push_pull", loss: "blind_coin", k: 12 },
  ];

  test.each(modes)("%o", (options) => {
    const network = new LanNetwork(16, 1, options);
    for (let i = 0; i < 100; i++) network.write(i * 10, i % 16, `key-${i}`, i % 2 === 0 ? 100 : 10_000);
    // Rounds of pulling go on for good.
    network.run(10_000);
    expect(network.missing()).toBe(0);
    expect(network.nodes.every(({ machine }) => machine.hotEntries === 0)).toBe(true);
    expect(network.counts.records / (100 * 16)).toBeLessThan(2);
  });
});
