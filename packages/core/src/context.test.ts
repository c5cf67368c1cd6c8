import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HLC_TIME_MAX } from "./clock.ts";
import {
  CLIENT_CONTEXT_MAX_ENTRIES,
  type ClientContext,
  clientContextCovers,
  clientContextTime,
  covers,
  EMPTY_CLIENT_CONTEXT,
  formatClientContext,
  joinContexts,
  parseClientContext,
} from "./context.ts";

const node = fc.nat(99).map((n) => `n${n}~0000000000`);
const time = fc.nat(HLC_TIME_MAX);
const version = fc.record({ time, node });
const vector = fc
  .uniqueArray(fc.tuple(node, time), { selector: ([id]) => id, maxLength: CLIENT_CONTEXT_MAX_ENTRIES })
  .map((entries) => new Map(entries));
const context: fc.Arbitrary<ClientContext> = fc.record({
  vector,
  dot: fc.option(version, { nil: undefined }),
});

function vectorOf(entries: number): Map<string, number> {
  return new Map(Array.from({ length: entries }, (_, i) => [`n${i}~0000000000`, i]));
}

describe("the text of a client's context", () => {
  test("gives the context back, is fit for a header, and is bounded", () => {
    fc.assert(
      fc.property(context, (original) => {
        const text = formatClientContext(original);
        expect(parseClientContext(text)).toEqual(original);
        expect(text).toMatch(/^[!-~]*$/);
        expect(text.length).toBeLessThanOrEqual((CLIENT_CONTEXT_MAX_ENTRIES + 1) * 88);
      }),
    );
  });

  test("has room for a dot beside a full vector, and for no more", () => {
    const full = { vector: vectorOf(CLIENT_CONTEXT_MAX_ENTRIES), dot: { time: 1, node: "x~0000000000" } };
    expect(parseClientContext(formatClientContext(full))).toEqual(full);
    const beyond = { vector: vectorOf(CLIENT_CONTEXT_MAX_ENTRIES + 1), dot: undefined };
    expect(parseClientContext(formatClientContext(beyond))).toBeUndefined();
    expect(parseClientContext(formatClientContext({ ...beyond, dot: full.dot }))).toBeUndefined();
  });

  const a = "00000000001-a~0000000000";
  test.each([
    [","],
    [`${a},`],
    [`,${a}`],
    [`${a},${a}`],
    [`.${a},.00000000002-a~0000000000`],
    [`..${a}`],
    [`${a}, 00000000001-b~0000000000`],
    [`${a};00000000001-b~0000000000`],
    ["."],
    ["__proto__"],
    [",".repeat(1_000_000)],
    [`${a},`.repeat(100_000)],
  ])("is refused when it is none of ours: %.40s", (text) => {
    expect(parseClientContext(text)).toBeUndefined();
  });

  test("of a reader that has seen nothing is empty", () => {
    expect(parseClientContext("")).toEqual(EMPTY_CLIENT_CONTEXT);
    expect(formatClientContext(EMPTY_CLIENT_CONTEXT)).toBe("");
  });
});

test("a client's context covers its vector and its dot alone", () => {
  const seen: ClientContext = {
    vector: new Map([["a~0000000000", 5]]),
    dot: { time: 9, node: "a~0000000000" },
  };
  const covered = [4, 5, 6, 8, 9, 10].filter((t) =>
    clientContextCovers(seen, { time: t, node: "a~0000000000" }),
  );
  expect(covered).toEqual([4, 5, 9]);
  expect(clientContextCovers(seen, { time: 1, node: "b~0000000000" })).toBe(false);
});

test("a context covers nothing of a node it does not name, not even its time 0", () => {
  expect(covers(new Map(), { time: 0, node: "a~0000000000" })).toBe(false);
});

test("the time of a client's context is the latest it names", () => {
  fc.assert(
    fc.property(context, (seen) => {
      const times = [...seen.vector.values(), ...(seen.dot === undefined ? [] : [seen.dot.time])];
      expect(clientContextTime(seen)).toBe(Math.max(0, ...times));
    }),
  );
});

describe("joining contexts", () => {
  const small = fc
    .uniqueArray(fc.tuple(fc.constantFrom("a~0000000000", "b~0000000000", "c~0000000000"), fc.nat(4)), {
      selector: ([id]) => id,
    })
    .map((entries) => new Map(entries));
  const dot = fc.record({
    time: fc.nat(4),
    node: fc.constantFrom("a~0000000000", "b~0000000000", "c~0000000000"),
  });

  test("covers exactly what one of both covers", () => {
    fc.assert(
      fc.property(small, small, dot, (a, b, any) => {
        expect(covers(joinContexts(a, b), any)).toBe(covers(a, any) || covers(b, any));
      }),
    );
  });

  test("changes neither and makes no copy where one dominates", () => {
    fc.assert(
      fc.property(small, small, (a, b) => {
        const copies = [new Map(a), new Map(b)];
        const joined = joinContexts(a, b);
        expect([a, b]).toEqual(copies);
        expect(joinContexts(joined, a)).toBe(joined);
        expect(joinContexts(a, joined)).toEqual(joined);
      }),
    );
    const [less, more] = [vectorOf(3), vectorOf(4)];
    expect(joinContexts(less, more)).toBe(more);
    expect(joinContexts(more, less)).toBe(more);
  });
});
