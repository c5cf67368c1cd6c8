import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { decodePlain, encodePlain, type Plain } from "./plain.ts";
import { type ScanLimits, scanMsgpack } from "./scan.ts";

const wide: ScanLimits = {
  maxBytes: 1 << 22,
  maxDepth: 32,
  maxItems: 1 << 20,
  maxStringBytes: 1 << 20,
  maxBinaryBytes: 1 << 20,
  maps: "string_keys",
};

const text = fc.string({ unit: "binary", maxLength: 300 });
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.double({ noNaN: true }).map((x) => (Object.is(x, -0) ? 0 : x)),
);
const { plain } = fc.letrec<{ plain: Plain }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("plain"), { maxLength: 40 }),
    fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      tie("plain"),
      { maxKeys: 10, noNullPrototype: true },
    ),
  ),
}));

/** Binaries come back as Node's subclass; what counts is their content. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return { binary: [...value] };
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, item]) => [key, normal(item)]));
  }
  return value;
}

describe("what we encode", () => {
  test("scans clean and comes back as it was", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const decoded = decodePlain(encodePlain(value), wide);
        expect(decoded).not.toHaveProperty("fault");
        expect("value" in decoded && normal(decoded.value)).toEqual(normal(value));
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["a byte order mark, short", "\ufeffabc"],
    ["a byte order mark, long", `\ufeff${"é".repeat(5000)}`],
    ["the four planes' edges", "\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}"],
  ])("keeps a text with %s", (_, value) => {
    expect(decodePlain(encodePlain([value, value]), wide)).toEqual({ value: [value, value] });
  });

  test("keeps integers up to the safe ones as numbers", () => {
    const values = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32, -(2 ** 31) - 1, 2 ** 31];
    expect(decodePlain(encodePlain(values), wide)).toEqual({ value: values });
  });
});

describe("what another encoder wrote", () => {
  test("is decoded to numbers where it is 64-bit integers", () => {
    const message = Uint8Array.from([0x92, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xd3, ...Array(8).fill(0xff)]);
    expect(decodePlain(message, wide)).toEqual({ value: [2 ** 32, -1] });
  });

  const other = new Packr({ useRecords: true, structuredClone: true, moreTypes: true, mapsAsObjects: false });

  test.each<[string, unknown]>([
    ["records", { a: 1, b: 2 }],
    ["dates", new Date(0)],
    ["sets", new Set([1])],
    ["regular expressions", /x/],
    ["errors", new RangeError("x")],
    ["undefined", undefined],
    ["typed arrays", new Float32Array([1])],
    ["integers beyond 64 bits", 2n ** 70n],
  ])("is refused for %s", (_, value) => {
    expect(decodePlain(other.pack([value]), wide)).toMatchObject({ fault: { code: "type_not_allowed" } });
  });

  test("is refused for maps with other keys than strings", () => {
    expect(decodePlain(other.pack(new Map([[1, 2]])), wide)).toEqual({
      fault: { code: "key_not_allowed", at: 1 },
    });
  });

  test("a flood of record definitions is refused at its first one", () => {
    const definition = [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01];
    const flood = Uint8Array.from([0xdd, 0, 0, 0xc3, 0x50, ...Array(50_000).fill(definition).flat()]);
    expect(scanMsgpack(flood, wide)).toEqual({ code: "type_not_allowed", at: 5 });
  });
});
