import { readFileSync } from "node:fs";
import { SeededRandom } from "@hearsay/core";
import { describe, expect, it } from "vitest";
import { parseWorkload } from "./file.ts";
import { SessionPlan } from "./session-plan.ts";
import { DEFAULT_WORKLOAD } from "./spec.ts";

const page = readFileSync(new URL("../../../../docs/chaos.md", import.meta.url), "utf8");

describe("a workload file", () => {
  it("is in docs/chaos.md as the default is", () => {
    const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
    expect(parseWorkload(text)).toEqual(DEFAULT_WORKLOAD);
  });

  it("may be JSON, and may leave out everything", () => {
    expect(parseWorkload("{}")).toEqual(DEFAULT_WORKLOAD);
    const one = parseWorkload('{"bytes": [1, 2], "operations": [{"do": "put", "keys": "once"}]}');
    expect(one.operations).toEqual([{ do: "put", weight: 1, keys: "once", context: "none", bytes: [1, 2] }]);
  });

  it("names the place of what is wrong", () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["sessions: 0", "workload: sessions is a number from 1"],
      ["sessions: 1.5", "sessions is a whole number"],
      ["operations: [{ do: put, keys: once, ack: 1.5 }]", "operations[0].ack is a whole number"],
      ["session: 3", 'has no field "session"'],
      ["operations: []", "operations is a list of 1 to"],
      ["operations: [{ do: burn }]", "operations[0].do is one of put, get"],
      ["operations: [{ do: put }]", "operations[0].keys has the fields"],
      ["operations: [{ do: put, keys: { prefix: a } }]", "operations[0].keys is once, own, last, or"],
      ["operations: [{ do: get, keys: own, ack: all }]", "operations[0].ack is for writes only"],
      ["operations: [{ do: delete, keys: once }]", "operations[0].keys once is for put"],
      ["operations: [{ do: put, keys: own, bytes: [9, 1] }]", "operations[0].bytes is [LEAST, MOST]"],
      ["a: [b", "neither YAML nor JSON"],
      ["text", "the file has the fields"],
    ];
    for (const [text, message] of wrong) expect(() => parseWorkload(text), text).toThrow(message);
  });
});

describe("the plan of a session", () => {
  const planOf = (seed: number): SessionPlan =>
    new SessionPlan(new SeededRandom(seed), 0, DEFAULT_WORKLOAD, 3);
  const take = (plan: SessionPlan, count: number) => Array.from({ length: count }, () => plan.next());

  it("is the same for one seed", () => {
    expect(take(planOf(3), 200)).toEqual(take(planOf(3), 200));
    expect(take(planOf(3), 200)).not.toEqual(take(planOf(4), 200));
  });

  it("has every operation, visits every node, writes keys of its own only once, and keeps the pace", () => {
    const planned = take(planOf(1), 2_000);
    expect(new Set(planned.map(({ spec }) => spec))).toEqual(new Set(DEFAULT_WORKLOAD.operations));
    expect(new Set(planned.map(({ node }) => node))).toEqual(new Set([0, 1, 2]));
    const sums = new Map<string, number>();
    for (const { key = "" } of Array.from({ length: 6 }, (_, i) => take(planOf(i + 1), 5_000)).flat())
      if (key.startsWith("sum/")) sums.set(key, (sums.get(key) ?? 0) + 1);
    expect(Math.max(...sums.values())).toBeLessThan(32);
    expect(sums.size).toBeGreaterThan(100);
    const once = planned.filter(({ spec }) => spec.keys === "once").map(({ key }) => key);
    expect(new Set(once).size).toBe(once.length);
    const meanMs = planned.reduce((sum, { afterMs }) => sum + afterMs, 0) / planned.length;
    const wantedMs = (1_000 * DEFAULT_WORKLOAD.sessions) / DEFAULT_WORKLOAD.ratePerSecond;
    expect(meanMs / wantedMs).toBeGreaterThan(0.9);
    expect(meanMs / wantedMs).toBeLessThan(1.1);
  });
});
