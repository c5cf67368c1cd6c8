import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePlain } from "./plain.ts";
import type { ScanLimits } from "./scan.ts";
import { MsgpackWriter } from "./writer.ts";

const limits: ScanLimits = {
  maxBytes: 10_000_000,
  maxItems: 1_000_000,
  maxDepth: 32,
  maxStringBytes: 1_000_000,
  maxBinaryBytes: 1_000_000,
  maps: "refused",
};

type Value = null | boolean | number | string | Uint8Array | readonly Value[];

function write(writer: MsgpackWriter, value: Value): void {
  if (value === null) writer.nil();
  else if (typeof value === "boolean") writer.bool(value);
  else if (typeof value === "number") writer.number(value);
  else if (typeof value === "string") writer.text(value);
  else if (value instanceof Uint8Array) writer.bin(value);
  else {
    writer.array(value.length);
    for (const item of value) write(writer, item);
  }
}

function written(value: Value, writer: MsgpackWriter = new MsgpackWriter()): Uint8Array {
  writer.begin();
  write(writer, value);
  return writer.take();
}

function read(bytes: Uint8Array): unknown {
  const decoded = decodePlain(bytes, limits);
  if ("fault" in decoded) throw new Error(JSON.stringify(decoded.fault));
  return decoded.value;
}

const text = fc.string({ unit: "binary", maxLength: 80 });
const leaf: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom<Value>(null, true, false),
  fc.integer().map(Number),
  fc.maxSafeInteger(),
  fc.double().filter((n) => !Object.is(n, -0)),
  text,
  fc.uint8Array({ maxLength: 300 }),
);
const { value: anything } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof({ depthSize: "small" }, leaf, fc.array(tie("value"), { maxLength: 20 })),
}));

test("whatever is written passes the scanner and is read as it was, one message after the other", () => {
  const writer = new MsgpackWriter();
  fc.assert(
    fc.property(anything, anything, (one, other) => {
      const first = written(one, writer);
      const second = written(other, writer);
      expect(read(first)).toEqual(one);
      expect(read(second)).toEqual(other);
    }),
  );
});

const edges = [0, 31, 32, 63, 64, 65, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32];

test.each([...edges, ...edges.map((n) => -n).filter((n) => n !== 0)])(
  "the number %i is read as it was",
  (n) => {
    expect(read(written([n, n - 1, n + 1]))).toEqual([n, n - 1, n + 1]);
  },
);

test.each(edges.filter((n) => n <= 65_536))(
  "texts, binaries and arrays of length %i are read as they were",
  (length) => {
    const texts = ["a".repeat(length), "é".repeat(length), `${"a".repeat(length)}é`];
    expect(read(written(texts))).toEqual(texts);
    const writer = new MsgpackWriter();
    writer.begin();
    writer.array(texts.length);
    for (const one of texts) writer.utf8(one);
    const keys = read(writer.take());
    expect(Array.isArray(keys) && keys.map((key) => new TextDecoder().decode(key))).toEqual(texts);
    const bytes = new Uint8Array(length).fill(7);
    expect(read(written([bytes, Array.from({ length }, () => 1)]))).toEqual([
      bytes,
      Array.from({ length }, () => 1),
    ]);
  },
);

test("bytes that were taken stay as they are, and a message that was broken off leaves nothing behind", () => {
  const writer = new MsgpackWriter();
  const first = written("x".repeat(1_000_000), writer);
  writer.begin();
  writer.array(5);
  expect(read(written("short", writer))).toBe("short");
  expect(read(first)).toBe("x".repeat(1_000_000));
});
