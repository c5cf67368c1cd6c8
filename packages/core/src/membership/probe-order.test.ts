import { expect, test } from "vitest";
import { SeededRandom } from "../random.ts";
import { ProbeOrder } from "./probe-order.ts";

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);
const orderOf = (count: number, seed: number): ProbeOrder => {
  const order = new ProbeOrder("round-robin", new SeededRandom(seed));
  for (const id of ids(count)) order.add(id);
  return order;
};

test("round-robin meets each member once a pass, so twice at most 2n - 1 steps apart", () => {
  const n = 20;
  const order = orderOf(n, 1);
  const last = new Map<string, number>();
  for (let pass = 0; pass < 50; pass++) {
    const met = Array.from({ length: n }, () => order.next() ?? "");
    expect([...met].sort()).toEqual(ids(n).sort());
    for (const [i, id] of met.entries()) {
      expect(pass * n + i - (last.get(id) ?? pass * n - 1)).toBeLessThanOrEqual(2 * n - 1);
      last.set(id, pass * n + i);
    }
  }
});

test("passes differ in order", () => {
  const order = orderOf(20, 2);
  const pass = (): string => Array.from({ length: 20 }, () => order.next()).join();
  expect(pass()).not.toBe(pass());
});

test("members that come and go never make another one be met twice or not at all in a pass", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const order = orderOf(10, seed);
    const met = [order.next(), order.next(), order.next(), order.next()];
    order.add("new");
    order.remove(met[0] ?? "");
    order.remove(met[1] ?? "");
    for (let i = 0; i < 6; i++) met.push(order.next());
    const old = met.filter((id) => id !== "new");
    expect(new Set(old).size).toBe(old.length);
    if (!met.includes("new")) expect([...old].sort()).toEqual(ids(10).sort());
  }
});

test("a new member is inserted anywhere with equal chance", () => {
  let soon = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const order = orderOf(9, seed);
    order.next();
    for (let i = 0; i < 8; i++) order.next();
    order.next();
    // One of nine is behind the cursor now; the tenth goes to one of ten places.
    order.add("new");
    if (Array.from({ length: 4 }, () => order.next()).includes("new")) soon += 1;
  }
  expect(soon / 400).toBeGreaterThan(0.3);
  expect(soon / 400).toBeLessThan(0.5);
});

test("random order draws from all and from nobody when there is nobody", () => {
  const order = new ProbeOrder("random", new SeededRandom(3));
  expect(order.next()).toBeUndefined();
  for (const id of ids(5)) order.add(id);
  expect(new Set(Array.from({ length: 100 }, () => order.next())).size).toBe(5);
});
