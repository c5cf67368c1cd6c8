import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../identity.ts";
import {
  boundClaims,
  CLAIMS_MAX_ENTRIES,
  type Claims,
  claimedThrough,
  cursorTime,
  formatCursor,
  isClaimed,
  NO_CLAIMS,
  parseCursor,
  type WatchCursor,
} from "./cursor.ts";

const id = (name: string): NodeId => `${name}~0123456789`;
const table = "0123456789abcdef";
const other = "fedcba9876543210";
const nodes = ["a", "b", "c", "d"].map(id);

const claims: fc.Arbitrary<Claims> = fc.record({
  table: fc.constantFrom(table, other),
  base: fc.nat(20),
  entries: fc
    .array(fc.tuple(fc.constantFrom(...nodes), fc.nat(20)), { maxLength: 4 })
    .map((entries) => new Map(entries)),
});

describe("claims", () => {
  it("stand at their base for other origins under the same member table only", () => {
    const made: Claims = { table, base: 10, entries: new Map([[id("a"), 7]]) };
    expect(claimedThrough(made, id("a"), other)).toBe(7);
    expect(isClaimed(made, { node: id("b"), time: 10 }, table)).toBe(true);
    expect(isClaimed(made, { node: id("b"), time: 10 }, other)).toBe(false);
  });

  it("beyond their bound keep what is not known, and say less of the rest", () => {
    const entries = new Map<NodeId, number>([[id("z"), 3]]);
    for (let i = 0; i < 40; i++) entries.set(id(`n${i}`), 100 + i);
    const bounded = boundClaims({ table, base: 50, entries });
    expect(bounded.entries.size).toBe(CLAIMS_MAX_ENTRIES);
    expect(claimedThrough(bounded, id("z"), table)).toBe(3);
    for (const [node, time] of entries) {
      expect(claimedThrough(bounded, node, table)).toBeLessThanOrEqual(time);
    }
    for (const node of entries.keys()) entries.set(node, 3);
    expect(boundClaims({ table, base: 50, entries })).toBe(NO_CLAIMS);
  });
});

describe("a cursor's text", () => {
  const cursor: fc.Arbitrary<WatchCursor> = fc.record({
    cluster: fc.constantFrom("0123456789ab", "ffffffffffff"),
    issuer: fc.constantFrom(...nodes),
    sequence: fc.maxSafeNat(),
    expiredThroughMs: fc.maxSafeNat(),
    claims: fc.oneof(claims, fc.constant(NO_CLAIMS)),
  });

  it("comes back as it was, and needs no escaping", () => {
    fc.assert(
      fc.property(cursor, (given) => {
        const text = formatCursor(given);
        expect(parseCursor(text)).toEqual(given);
        expect(text).toMatch(/^[A-Za-z0-9,.~_-]+$/);
      }),
    );
  });

  it("that is long to the utmost still fits into a URL", () => {
    const entries = new Map<NodeId, number>();
    for (let i = 0; i < CLAIMS_MAX_ENTRIES; i++) {
      entries.set(`${String(i).padStart(63, "n")}~0123456789`, Number.MAX_SAFE_INTEGER - i);
    }
    const text = formatCursor({
      cluster: "0123456789ab",
      issuer: id("n".repeat(63)),
      sequence: Number.MAX_SAFE_INTEGER,
      expiredThroughMs: Number.MAX_SAFE_INTEGER,
      claims: { table, base: 1, entries },
    });
    expect(text.length).toBeLessThan(3 * 1024);
    expect(parseCursor(text)?.claims.entries.size).toBe(CLAIMS_MAX_ENTRIES);
    expect(parseCursor(`${text},1-${id("more")}`)).toBeUndefined();
  });

  it("that is none of ours is refused, whatever it is", () => {
    const good = formatCursor({
      cluster: "0123456789ab",
      issuer: id("a"),
      sequence: 7,
      expiredThroughMs: 8,
      claims: { table, base: 9, entries: new Map([[id("b"), 10]]) },
    });
    expect(parseCursor(good)).toBeDefined();
    const bad = ["", "now", "1", good.slice(0, -1), `${good},`, `${good},5-${id("b")}`, `2${good.slice(1)}`];
    bad.push(
      good.replace("0123456789ab", "0123456789"),
      good.replace(",9,", ",-9,"),
      good.replace(",7,", ",,"),
    );
    for (const text of bad) expect(parseCursor(text), text).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => parseCursor(text) === undefined));
  });

  it("tells the latest time it names", () => {
    const entries = new Map([[id("b"), 10]]);
    const base = { cluster: "", issuer: id("a"), sequence: 0, expiredThroughMs: 0 };
    expect(cursorTime({ ...base, claims: { table, base: 9, entries } })).toBe(10);
    expect(cursorTime({ ...base, claims: NO_CLAIMS })).toBe(0);
  });
});
