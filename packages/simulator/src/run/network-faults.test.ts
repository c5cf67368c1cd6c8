import fc from "fast-check";
import { expect, test } from "vitest";
import { cutsOf } from "./network-faults.ts";

const at = { at: "n1", other: "n2" };

/** Whom each node hears, itself included. */
function heard(
  names: readonly string[],
  kind: Parameters<typeof cutsOf>[0],
  strength: number,
): Map<string, string[]> {
  const cuts = new Set((cutsOf(kind, names, { ...at, strength }) ?? []).map(([from, to]) => `${from}>${to}`));
  return new Map(names.map((to) => [to, names.filter((from) => !cuts.has(`${from}>${to}`))]));
}

const anyNames = fc.integer({ min: 3, max: 9 }).map((n) => Array.from({ length: n }, (_, i) => `n${i + 1}`));
const anyStrength = fc.double({ min: 0, max: 0.999, noNaN: true });

test("on a majority ring each node hears a majority, and from five nodes on no two hear the same one", () => {
  fc.assert(
    fc.property(anyNames, anyStrength, (names, strength) => {
      const sets = [...heard(names, "majority_ring", strength).values()];
      for (const set of sets) expect(set.length).toBeGreaterThan(names.length / 2);
      if (names.length >= 5) expect(new Set(sets.map((set) => set.join())).size).toBe(names.length);
    }),
  );
});

test("two halves hear nothing of one another, and with a bridge one node hears both", () => {
  fc.assert(
    fc.property(anyNames, anyStrength, (names, strength) => {
      const halves = [...heard(names, "halves", strength).values()].map((set) => set.join());
      expect(new Set(halves).size).toBe(2);
      const bridged = [...heard(names, "bridge", strength).values()];
      expect(bridged.filter((set) => set.length === names.length)).toHaveLength(1);
    }),
  );
});

test("an isolated node hears itself, and an asymmetric link carries one way", () => {
  const names = ["n1", "n2", "n3"];
  expect(heard(names, "isolate", 0).get("n1")).toEqual(["n1"]);
  const oneWay = heard(names, "asymmetric", 0);
  expect([oneWay.get("n1"), oneWay.get("n2")]).toEqual([names, ["n2", "n3"]]);
});
