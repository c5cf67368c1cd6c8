import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../random.ts";
import { aggregate, countNodes, stateNumber, stateText } from "./aggregate.ts";
import type { StateDelta, StateEntry } from "./messages.ts";
import { fitDeltas, NodeStates, STATE_GENERATION_MAX } from "./node-states.ts";

const SELF = "self~0000000000";
const A = "a~0000000000";

function entry(key: string, value: number | string | null, version: number): StateEntry {
  return { key, value, version };
}

function delta(generation: number, after: number, entries: readonly StateEntry[], node = A): StateDelta {
  return { node, generation, after, entries };
}

describe("a delta", () => {
  test("of a higher generation replaces all of the lower one, which is stale from then on", () => {
    const states = new NodeStates(SELF, 1);
    expect(states.apply(delta(5, 0, [entry("zone", "x", 1), entry("keys", 7, 2)]))).toBe("applied");
    expect(states.apply(delta(6, 0, [entry("keys", 1, 1)]))).toBe("applied");
    expect([...(states.get(A)?.values.keys() ?? [])]).toEqual(["keys"]);
    expect(states.apply(delta(5, 2, [entry("keys", 9, 3)]))).toBe("stale");
    expect(states.get(A)).toMatchObject({ generation: 6, maxVersion: 1 });
  });

  test("with a gap before it is not applied, and neither is one that begins a generation in the middle", () => {
    const states = new NodeStates(SELF, 1);
    expect(states.apply(delta(5, 3, [entry("keys", 7, 4)]))).toBe("gap");
    expect(states.get(A)).toBeUndefined();
    states.apply(delta(5, 0, [entry("keys", 7, 2)]));
    expect(states.apply(delta(5, 3, [entry("keys", 8, 4)]))).toBe("gap");
    expect(states.apply(delta(6, 1, [entry("keys", 8, 4)]))).toBe("gap");
    expect(states.apply(delta(5, 1, [entry("keys", 7, 2), entry("load", 1, 4)]))).toBe("applied");
    expect(states.apply(delta(5, 0, [entry("keys", 7, 2)]))).toBe("nothing_new");
  });

  test("about a retired node is ignored for good", () => {
    const states = new NodeStates(SELF, 1);
    states.apply(delta(5, 0, [entry("keys", 7, 1)]));
    states.retire([A]);
    expect(states.get(A)).toBeUndefined();
    expect(states.apply(delta(6, 0, [entry("keys", 7, 1)]))).toBe("retired");
    expect(states.behind([{ node: A, generation: 6, maxVersion: 1 }])).toEqual([]);
  });

  test("about this node in a higher generation makes it begin a higher one still", () => {
    const states = new NodeStates(SELF, 1);
    states.set("keys", 3);
    expect(states.apply(delta(9, 0, [entry("keys", 1, 1)], SELF))).toBe("outranked");
    states.outrank(9);
    const [said] = states.ahead([{ node: SELF, generation: 9, maxVersion: 1 }], true);
    expect(said).toEqual({ node: SELF, generation: 10, after: 0, entries: [entry("keys", 3, 1)] });
  });

  test("about this node with more than it has said makes it begin a generation, whose values reach all", () => {
    const [states, other] = [new NodeStates(SELF, 1), new NodeStates(A, 1)];
    states.set("keys", 3);
    expect(other.apply(delta(1, 0, [entry("keys", 1, Number.MAX_SAFE_INTEGER)], SELF))).toBe("applied");
    const digestsOf = (of: NodeStates) => of.digests(1000, new SeededRandom(1)).digests;
    const [echo] = other.ahead(digestsOf(states), false);
    if (echo === undefined) throw new Error("it has more");
    expect(states.apply(echo)).toBe("outranked");
    states.outrank(echo.generation);
    for (const said of states.ahead(digestsOf(other), false)) expect(other.apply(said)).toBe("applied");
    expect(other.get(SELF)?.values.get("keys")?.value).toBe(3);
  });

  test("of a generation that leaves no greater one is not believed, and makes nobody begin one", () => {
    const states = new NodeStates(SELF, 1);
    for (const node of [SELF, A]) {
      for (const generation of [STATE_GENERATION_MAX + 1, Number.MAX_SAFE_INTEGER])
        expect(states.apply(delta(generation, 0, [entry("keys", 1, 1)], node))).toBe("malformed");
    }
    expect(states.apply(delta(STATE_GENERATION_MAX, 0, [entry("keys", 1, 1)]))).toBe("applied");
    expect(states.apply(delta(STATE_GENERATION_MAX, 0, [], SELF))).toBe("outranked");
    states.outrank(STATE_GENERATION_MAX);
    expect(states.self.generation).toBe(STATE_GENERATION_MAX);
    expect(states.apply(delta(STATE_GENERATION_MAX, 0, [], SELF))).toBe("nothing_new");
  });

  test("beyond a limit or out of order is refused and changes nothing", () => {
    const limits = { maxNodes: 2, maxKeysPerNode: 2, maxKeyLength: 8, maxTextLength: 4 };
    const states = new NodeStates(SELF, 1, limits);
    const refused: readonly (readonly [StateDelta, string])[] = [
      [delta(1, 0, [entry("a", 1, 2), entry("b", 1, 1)]), "malformed"],
      [delta(1, 0, [entry("a", 1, 1), entry("a", 1, 2)]), "malformed"],
      [delta(1, 0, [entry("a-long-key", 1, 1)]), "malformed"],
      [delta(1, 0, [entry("a", "12345", 1)]), "malformed"],
      [delta(1, 0, [entry("a", 1, 1), entry("b", 1, 2), entry("c", 1, 3)]), "over_limit"],
    ];
    for (const [bad, outcome] of refused) expect(states.apply(bad)).toBe(outcome);
    expect(states.size).toBe(1);
    states.apply(delta(1, 0, [entry("a", 1, 1)]));
    expect(states.apply(delta(1, 0, [entry("a", 1, 1)], "b~0000000000"))).toBe("over_limit");
  });
});

test("of whoever is no member is neither taken nor asked for, and takes no room from one who is", () => {
  const [member, madeUp] = ["b~0000000000", "x~0000000000"];
  const limits = { maxNodes: 2, maxKeysPerNode: 2, maxKeyLength: 8, maxTextLength: 4 };
  const states = new NodeStates(SELF, 1, limits, (id) => id === member);
  expect(states.apply(delta(1, 0, [entry("a", 1, 1)], madeUp))).toBe("stranger");
  expect(states.behind([madeUp, member].map((node) => ({ node, generation: 1, maxVersion: 1 })))).toEqual([
    { node: member, generation: 0, maxVersion: 0 },
  ]);
  expect(states.apply(delta(1, 0, [entry("a", 1, 1)], member))).toBe("applied");
});

describe("a node's own state", () => {
  test("counts a version for each change only, and a value taken back spreads as null", () => {
    const states = new NodeStates(SELF, 1);
    expect(states.set("load", 1)).toBe(true);
    expect(states.set("load", 1)).toBe(false);
    expect(states.set("zone", null)).toBe(false);
    expect(states.set("load", null)).toBe(true);
    expect(states.self.maxVersion).toBe(2);
    expect(states.ahead([{ node: SELF, generation: 1, maxVersion: 1 }], true)[0]?.entries).toEqual([
      entry("load", null, 2),
    ]);
  });
});

describe("a bounded message", () => {
  test("keeps a prefix by version of each delta, and gives every node its turn", () => {
    const bytes = fc.integer({ min: 60, max: 4000 });
    const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(counts, bytes, fc.integer(), (sizes, maxBytes, seed) => {
        const deltas = sizes.map((size, i) => {
          const entries = Array.from({ length: size }, (_, v) => entry(`k${v}`, 1, v + 1));
          return delta(1, 0, entries, `n${i}~0000000000`);
        });
        const fitted = fitDeltas(deltas, maxBytes, new SeededRandom(seed));
        const taken = deltas.map(
          ({ node }) => fitted.find((kept) => kept.node === node)?.entries.length ?? 0,
        );
        for (const kept of fitted) {
          expect(kept.entries).toEqual(
            deltas.find(({ node }) => node === kept.node)?.entries.slice(0, kept.entries.length),
          );
        }
        const total = fitted.reduce((sum, kept) => sum + 32 + kept.node.length + 30 * kept.entries.length, 0);
        expect(total).toBeLessThanOrEqual(maxBytes + 3 * fitted.length * 30);
        // Who still has more to say has said as much as anyone, but for the entry that no longer fitted.
        const most = Math.max(...taken);
        taken.forEach((count, i) => {
          if (most >= 1 && taken.every((other) => other > 0) && count < (sizes[i] ?? 0)) {
            expect(count).toBeGreaterThanOrEqual(most - 1);
          }
        });
      }),
    );
  });

  test("of digests is marked as partial, and the nodes left out are not sent as if they were unknown", () => {
    const states = new NodeStates(SELF, 1);
    for (let i = 0; i < 50; i++) states.apply(delta(1, 0, [entry("keys", i, 1)], `n${i}~0000000000`));
    const part = states.digests(500, new SeededRandom(1));
    expect(part.whole).toBe(false);
    expect(part.digests.length).toBeLessThan(20);
    expect(states.ahead(part.digests, part.whole)).toEqual([]);
    expect(states.ahead(part.digests, true)).toHaveLength(51 - part.digests.length);
    expect(states.digests(1e6, new SeededRandom(1))).toMatchObject({ whole: true });
  });
});

describe("figures of the cluster", () => {
  test("are summed over the nodes that count and published the number", () => {
    const states = new NodeStates(SELF, 1);
    states.set("keys", 10);
    states.set("zone", "x");
    states.apply(delta(1, 0, [entry("keys", 20, 1)]));
    states.apply(delta(1, 0, [entry("keys", 400, 1)], "dead~0000000000"));
    states.apply(delta(1, 0, [entry("load", 1, 1)], "other~0000000000"));
    const counts = (node: string): boolean => node !== "dead~0000000000";
    expect(aggregate(states.all(), "keys", counts)).toEqual({ count: 2, sum: 30, average: 15 });
    expect(aggregate(states.all(), "bytes", counts)).toEqual({ count: 0, sum: 0, average: undefined });
    expect(countNodes(states.all(), counts)).toBe(3);
    expect([stateText(states.self, "zone"), stateNumber(states.self, "zone")]).toEqual(["x", undefined]);
  });
});
