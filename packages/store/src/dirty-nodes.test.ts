import fc from "fast-check";
import { expect, it } from "vitest";
import { DirtyNodes } from "./dirty-nodes.ts";

const COUNT = 8;
const node = fc.integer({ min: 0, max: COUNT - 1 });

it("has each node once, however often it was added, until it is taken", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(node, fc.constant("take" as const))), (steps) => {
      const nodes = new DirtyNodes(COUNT);
      const expected = new Set<number | undefined>();
      for (const step of steps) {
        if (step === "take") {
          const taken = nodes.take();
          expect(expected.delete(taken)).toBe(taken !== undefined);
        } else {
          nodes.add(step);
          expected.add(step);
        }
        expect(nodes.size).toBe(expected.size);
      }
    }),
  );
});
