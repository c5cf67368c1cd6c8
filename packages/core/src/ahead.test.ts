import fc from "fast-check";
import { expect, test } from "vitest";
import { ahead } from "./ahead.ts";

test("results come in order, whatever the tasks take, and never more than so many are begun and not taken", async () => {
  const turns = fc.array(fc.nat(5), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(turns, fc.integer({ min: 1, max: 8 }), async (items, width) => {
      let begun = 0;
      const taken: number[] = [];
      const task = async (turn: number): Promise<number> => {
        begun += 1;
        expect(begun - taken.length).toBeLessThanOrEqual(width);
        for (let i = 0; i < turn; i++) await Promise.resolve();
        return turn;
      };
      for await (const result of ahead(items, width, task)) taken.push(result);
      expect(taken).toEqual(items);
    }),
  );
});

test("a failure comes in its turn, and ends it", async () => {
  const taken: number[] = [];
  const task = (item: number): Promise<number> =>
    item === 2 ? Promise.reject(new Error("two")) : Promise.resolve(item);
  const run = async (): Promise<void> => {
    for await (const result of ahead([0, 1, 2, 3, 2], 5, task)) taken.push(result);
  };
  await expect(run()).rejects.toThrow("two");
  expect(taken).toEqual([0, 1]);
});
