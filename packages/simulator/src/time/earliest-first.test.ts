import fc from "fast-check";
import { expect, test } from "vitest";
import { EarliestFirst, type Timed } from "./earliest-first.ts";

test("what is added comes out by time, and in the order of its making where times are equal", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5 })), (times) => {
      const queue = new EarliestFirst<Timed>();
      const items = times.map((atMs, order) => ({ atMs, order }));
      for (const item of items) queue.add(item);
      const out: Timed[] = [];
      for (let first = queue.first; first !== undefined; first = queue.first) {
        queue.removeFirst();
        out.push(first);
      }
      expect(out).toEqual(items.sort((a, b) => a.atMs - b.atMs || a.order - b.order));
    }),
  );
});
