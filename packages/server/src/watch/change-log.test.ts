import fc from "fast-check";
import { expect, it } from "vitest";
import { ChangeLog } from "./change-log.ts";

const node = (name: string): string => `${name}~0123456789`;
const table = "0123456789abcdef";
const version = (time: number, name = "a") => ({ time, node: node(name) });

it("finds where the changes after a sequence begin, as long as it has all of them", () => {
  const sequences = fc.array(fc.nat(3), { maxLength: 60 }).map((steps) => {
    let sequence = 10;
    return steps.map((step) => (sequence += step));
  });
  fc.assert(
    fc.property(sequences, fc.integer({ min: 150, max: 4000 }), (given, maxBytes) => {
      const log = new ChangeLog(maxBytes, 9, 0);
      for (const sequence of given) log.append({ key: "k", sequence, version: version(sequence) });
      for (let after = 8; after < (given.at(-1) ?? 9) + 2; after++) {
        const wanted = given.filter((sequence) => sequence > after);
        const position = log.positionAfter(after);
        const found: number[] = [];
        for (let at = position ?? log.end; at < log.end; at++) found.push(log.at(at)?.sequence ?? 0);
        if (position === undefined) expect(after).toBeLessThan(log.fallen);
        else expect(found).toEqual(wanted);
      }
    }),
  );
});

it("knows the newest change of each key, whenever it is first asked", () => {
  const keys = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 });
  fc.assert(
    fc.property(keys, fc.nat(30), fc.integer({ min: 150, max: 2000 }), (given, firstAsked, maxBytes) => {
      const log = new ChangeLog(maxBytes, 0, 0);
      for (const [at, key] of given.entries()) {
        log.append({ key, sequence: at + 1, version: version(at + 1) });
        if (at < firstAsked) continue;
        for (const asked of ["a", "b", "c"] as const) {
          const newest = given.lastIndexOf(asked, at) + 1;
          expect(log.lastOfKey(asked)).toBe(Math.max(newest, log.fallen));
        }
      }
    }),
  );
});

it("is bounded in bytes, and forgets the oldest first", () => {
  const log = new ChangeLog(1000, 0, 0);
  for (let i = 1; i <= 100; i++) log.append({ key: `key${i}`, sequence: i, version: version(i) });
  expect(log.size).toBe(7);
  expect(log.at(log.start)?.key).toBe("key94");
  expect([log.fallen, log.lastOfKey("key94"), log.lastOfKey("key1")]).toEqual([93, 94, 93]);
  expect([log.lastOfPrefix("key9"), log.lastOfPrefix("other")]).toEqual([99, 93]);
});

it("is enough for a reader that knows all that is stored and not in it", () => {
  const log = new ChangeLog(500, 0, 5);
  const claims = (base: number, a: number) => ({ table, base, entries: new Map([[node("a"), a]]) });
  expect(log.completes(claims(5, 5), table)).toBe(true);
  expect(log.completes(claims(4, 9), table)).toBe(false);
  expect(log.completes(claims(9, 4), table)).toBe(false);
  expect(log.completes(claims(9, 9), "fedcba9876543210")).toBe(false);
  for (let i = 1; i <= 10; i++) log.append({ key: `key${i}`, sequence: i, version: version(10 + i) });
  expect(log.start).toBeGreaterThan(0);
  expect(log.completes(claims(9, 10 + log.start - 1), table)).toBe(false);
  expect(log.completes(claims(9, 10 + log.start), table)).toBe(true);
});
