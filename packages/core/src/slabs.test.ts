import fc from "fast-check";
import { expect, it } from "vitest";
import { Slabs } from "./slabs.ts";

const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1000, max: 1100 })), {
  maxLength: 100,
});

it("gives copies that nothing changes any more, whatever is copied before and after", () => {
  fc.assert(
    fc.property(sizes, (lengths) => {
      const slabs = new Slabs();
      const copies = lengths.map((length, i) => {
        const source = new Uint8Array(length).fill(i);
        const copy = slabs.copy(source);
        source.fill(255);
        return copy;
      });
      for (const [i, copy] of copies.entries()) {
        expect(copy).toEqual(new Uint8Array(lengths[i] ?? 0).fill(i));
      }
    }),
  );
});

it("keeps a small piece of memory alive for a small copy, and none but its own for a large one", () => {
  const slabs = new Slabs();
  expect(slabs.copy(new Uint8Array(100)).buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
  expect(slabs.copy(new Uint8Array(5000)).buffer.byteLength).toBe(5000);
});
