import { expect, test } from "vitest";
import { runGlomers } from "./glomers.ts";

test("25 nodes on links of 100 ms: longer rounds cost fewer messages and more time, and nothing is left out", () => {
  const setting = { nodes: 25, loss: 0, seed: 2, seconds: 10 };
  const efficient = runGlomers({ roundIntervalMs: 50 }, setting);
  expect(efficient.messagesPerWrite).toBeLessThan(30);
  expect(efficient.medianMs).toBeLessThan(400);
  expect(efficient.maximumMs).toBeLessThan(600);
  const batching = runGlomers({ roundIntervalMs: 100 }, setting);
  expect(batching.messagesPerWrite).toBeLessThan(20);
  expect(batching.medianMs).toBeLessThan(1000);
  expect(batching.maximumMs).toBeLessThan(2000);
  expect([efficient.residue, batching.residue]).toEqual([0, 0]);
});
