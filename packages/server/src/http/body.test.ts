import { expect, it } from "vitest";
import { Gathered } from "./body.ts";

it("what comes in many small pieces takes little more memory than itself", () => {
  const gathered = new Gathered(Uint8Array.of(0), 1);
  for (let i = 1; i < 100_000; i++) gathered.add(Uint8Array.of(i));
  const { bytes } = gathered;
  expect(bytes.length).toBe(100_000);
  expect(bytes.every((byte, i) => byte === i % 256)).toBe(true);
  expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * 100_000);
});

it("what is as long as it said takes no more than itself", () => {
  const gathered = new Gathered(Uint8Array.of(1, 2), 4);
  gathered.add(Uint8Array.of(3));
  gathered.add(Uint8Array.of(4));
  expect([...gathered.bytes]).toEqual([1, 2, 3, 4]);
  expect(gathered.bytes.buffer.byteLength).toBe(4);
});
