import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import {
  type CyclonEffect,
  CyclonView,
  DEFAULT_CYCLON_OPTIONS,
  type ShuffleReply,
  type ShuffleRequest,
  validateCyclonOptions,
} from "./cyclon.ts";

interface Member {
  readonly peer: Peer;
  readonly view: CyclonView;
}

/** Cyclon in cycles: in each, every live node shuffles once, in random order. Dead peers never answer. */
class Overlay {
  readonly members = new Map<string, Member>();
  readonly #random = new SeededRandom(1);
  lossRate = 0;

  constructor(size: number, introduce: (index: number) => readonly number[]) {
    const peers = Array.from({ length: size }, (_, i) => ({ id: `n${i}~0000000000`, address: `h:${i}` }));
    peers.forEach((peer, i) => {
      const view = new CyclonView(peer, DEFAULT_CYCLON_OPTIONS, this.#random.fork());
      view.introduce(introduce(i).flatMap((j) => peers[j] ?? []));
      this.members.set(peer.id, { peer, view });
    });
  }

  cycle(times: number): void {
    for (let i = 0; i < times; i++) {
      for (const member of [...this.members.values()]) this.#shuffle(member);
    }
  }

  #shuffle({ view }: Member): void {
    for (const effect of view.onTimer()) {
      if (effect.kind !== "request" || effect.message.kind !== "shuffle") continue;
      const target = this.members.get(effect.to.id);
      const reply = target === undefined || this.#lost() ? undefined : this.#ask(target, effect.message);
      if (reply === undefined || this.#lost()) view.onFailure(effect.id);
      else view.onReply(effect.id, reply);
    }
  }

  #lost(): boolean {
    return this.#random.next() < this.lossRate;
  }

  #ask(target: Member, request: ShuffleRequest): ShuffleReply | undefined {
    const effects: readonly CyclonEffect[] = target.view.onRequest(1, request);
    for (const effect of effects) {
      if (effect.kind === "reply" && effect.message.kind === "shuffle-reply") return effect.message;
    }
    return undefined;
  }

  inDegrees(): readonly number[] {
    const degrees = new Map([...this.members.keys()].map((id) => [id, 0]));
    for (const { view } of this.members.values()) {
      for (const { peer } of view.entries) {
        const degree = degrees.get(peer.id);
        if (degree !== undefined) degrees.set(peer.id, degree + 1);
      }
    }
    return [...degrees.values()];
  }

  /** Live nodes connected with the first one, links taken both ways. */
  connected(): number {
    const links = new Map<string, string[]>([...this.members.keys()].map((id) => [id, []]));
    for (const { peer, view } of this.members.values()) {
      for (const entry of view.entries) {
        if (!this.members.has(entry.peer.id)) continue;
        links.get(peer.id)?.push(entry.peer.id);
        links.get(entry.peer.id)?.push(peer.id);
      }
    }
    const [start] = this.members.keys();
    const reached = new Set(start === undefined ? [] : [start]);
    for (const id of reached) for (const next of links.get(id) ?? []) reached.add(next);
    return reached.size;
  }

  deadEntries(): number {
    let dead = 0;
    for (const { view } of this.members.values()) {
      for (const { peer } of view.entries) if (!this.members.has(peer.id)) dead += 1;
    }
    return dead;
  }
}

const { viewSize } = DEFAULT_CYCLON_OPTIONS;

function spread(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

describe("Cyclon over 500 nodes", () => {
  test.each([
    ["a chain", (i: number): readonly number[] => [i === 0 ? 1 : i - 1]],
    ["a star", (i: number): readonly number[] => [i === 0 ? 1 : 0]],
  ])("that start as %s ends in one piece with full views and nearly equal in-degrees", (_, introduce) => {
    const overlay = new Overlay(500, introduce);
    overlay.cycle(100);
    expect(overlay.connected()).toBe(500);
    const { mean, deviation } = spread(overlay.inDegrees());
    expect(mean).toBeGreaterThan(viewSize - 1.5);
    // A random graph of this size has sqrt(20) = 4.5; the paper's point is that Cyclon stays well below.
    expect(deviation).toBeLessThan(3.5);
    expect(Math.min(...overlay.inDegrees())).toBeGreaterThan(viewSize / 3);
  });

  test("no view ever names its own node, a node twice, or more nodes than it has places", () => {
    const overlay = new Overlay(100, (i) => [(i + 1) % 100, (i + 50) % 100]);
    overlay.lossRate = 0.1;
    for (let cycle = 0; cycle < 40; cycle++) {
      overlay.cycle(1);
      for (const { peer, view } of overlay.members.values()) {
        const ids = view.entries.map((entry) => entry.peer.id);
        expect(ids).not.toContain(peer.id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.length).toBeLessThanOrEqual(viewSize);
      }
    }
    expect(overlay.connected()).toBe(100);
  });

  test("dead peers age out, and the survivors of half the nodes stay in one piece", () => {
    const overlay = new Overlay(500, (i) => [i === 0 ? 1 : i - 1]);
    overlay.cycle(60);
    for (let i = 0; i < 500; i += 2) overlay.members.delete(`n${i}~0000000000`);
    const before = overlay.deadEntries();
    overlay.cycle(viewSize * 3);
    expect(before).toBeGreaterThan(1000);
    expect(overlay.deadEntries()).toBe(0);
    expect(overlay.connected()).toBe(250);
  });
});

describe("a view", () => {
  const peers: readonly Peer[] = ["a", "b"].map((name) => ({
    id: `${name}~0000000000`,
    address: `${name}:1`,
  }));
  const self = { id: "self~0000000000", address: "self:1" };

  test("keeps the last peer it knows when a message to it is lost", () => {
    const view = new CyclonView(self, DEFAULT_CYCLON_OPTIONS, new SeededRandom(1));
    view.introduce(peers.slice(0, 1));
    const sent = view.onTimer().find((effect) => effect.kind === "request");
    expect(view.entries).toEqual([]);
    view.onFailure(sent?.kind === "request" ? sent.id : -1);
    expect(view.sample(5)).toEqual(peers.slice(0, 1));
  });

  test("samples distinct peers, does not take more entries than a shuffle has, and forgets a peer on demand", () => {
    const view = new CyclonView(self, DEFAULT_CYCLON_OPTIONS, new SeededRandom(1));
    view.introduce([...peers, self]);
    expect(new Set(view.sample(5))).toEqual(new Set(peers));
    const many = Array.from({ length: 100 }, (_, i) => ({
      peer: { id: `x${i}~0000000000`, address: "x:1" },
      age: 0,
    }));
    view.onRequest(1, { kind: "shuffle", entries: many });
    expect(view.entries).toHaveLength(2 + DEFAULT_CYCLON_OPTIONS.shuffleLength);
    view.remove("a~0000000000");
    expect(view.entries.map((entry) => entry.peer.id)).not.toContain("a~0000000000");
  });

  test("options are checked", () => {
    expect(validateCyclonOptions(DEFAULT_CYCLON_OPTIONS)).toEqual([]);
    expect(validateCyclonOptions({ ...DEFAULT_CYCLON_OPTIONS, viewSize: 0 })).toEqual([
      { code: "option_out_of_range", option: "viewSize", min: 1 },
      { code: "option_exceeds", option: "shuffleLength", other: "viewSize" },
    ]);
  });
});
