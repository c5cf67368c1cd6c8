import fc from "fast-check";
import { expect, it } from "vitest";
import { RecordCache, type Stored } from "./record-cache.ts";

const NODE = "n1~0000000000";

/** The value's first byte becomes the revision, so that a test sees which one was kept. */
function decode(_key: string, value: Uint8Array, bucket: number): Stored {
  const version = { time: 1, node: NODE };
  return {
    kind: "record",
    record: { context: new Map(), siblings: [{ kind: "tombstone", version }] },
    revision: value[0] ?? 0,
    bucket,
    summary: { versions: [version], tombstone: true, purgeableFrom: 1, bytes: value.length },
  };
}

const key = fc.integer({ min: 0, max: 30 }).map((n) => `key${n}`);
const size = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(65_524, 70_000));
const step = fc.oneof(
  fc.record({ does: fc.constant("write"), key, size }),
  fc.record({ does: fc.constantFrom("read", "peek", "glance", "delete"), key, size }),
);

it("answers what was written last or nothing, whatever was written, read and deleted before, within its bound", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(3000, 300_000), (steps, maxBytes) => {
      const cache = new RecordCache(maxBytes, decode);
      const written = new Map<string, number>();
      for (const [at, { does, key, size }] of steps.entries()) {
        if (does === "write") {
          cache.written(key, size, new Uint8Array(size).fill(at));
          written.set(key, at % 256);
        } else if (does === "delete") {
          cache.delete(key);
          written.delete(key);
        } else {
          const found =
            does === "read" ? cache.get(key) : does === "glance" ? cache.glance(key) : cache.peek(key);
          if (found !== undefined) expect(found.revision).toBe(written.get(key));
          // What is too large to be kept decoded is decoded each time.
          const isKept = found !== undefined && found.summary.bytes + 700 <= maxBytes / 4;
          if (isKept && does === "read") expect(cache.get(key)).toBe(found);
        }
        expect(cache.bytes).toBeLessThanOrEqual(maxBytes);
      }
    }),
    { numRuns: 200 },
  );
});

it("keeps the newest records that were written, and all of them while one is written again and again", () => {
  const cache = new RecordCache(1_000_000, decode);
  for (let i = 0; i < 10_000; i++) cache.written(`key${i}`, 1, new Uint8Array(100).fill(i));
  for (let i = 9000; i < 10_000; i++) expect(cache.peek(`key${i}`)?.revision).toBe(i % 256);
  for (let i = 0; i < 100_000; i++) cache.written("key9000", 1, new Uint8Array(100 - (i % 10)).fill(i));
  for (let i = 9001; i < 10_000; i++) expect(cache.peek(`key${i}`)?.revision).toBe(i % 256);
});

it("hands out values that later writes do not touch", () => {
  const seen: Uint8Array[] = [];
  const cache = new RecordCache(1_000_000, (at, value, bucket) => {
    seen.push(value);
    return decode(at, value, bucket);
  });
  cache.written("a", 1, Uint8Array.of(1, 1));
  cache.peek("a");
  cache.written("a", 1, Uint8Array.of(2, 2));
  expect(seen).toEqual([Uint8Array.of(1, 1)]);
});

it("keeps what was written however many records are looked at once, and decodes it once for looks in a row", () => {
  const cache = new RecordCache(300_000, decode);
  for (let i = 0; i < 1000; i++) cache.written(`key${i}`, 1, new Uint8Array(100).fill(i));
  const { bytes } = cache;
  for (let i = 0; i < 1000; i++) expect(cache.glance(`key${i}`)).toBe(cache.glance(`key${i}`));
  expect(cache.bytes).toBe(bytes);
  for (let i = 0; i < 1000; i++) expect(cache.peek(`key${i}`)?.revision).toBe(i % 256);
});
