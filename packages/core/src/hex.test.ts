import fc from "fast-check";
import { expect, test } from "vitest";
import { charsToHex, fromHex, toHex, writeHex } from "./hex.ts";

test("bytes and their digits are one and the same, as another makes them", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const digits = Buffer.from(bytes).toString("hex");
      expect(toHex(bytes)).toBe(digits);
      expect(fromHex(digits)).toEqual(bytes);
      expect(charsToHex(Buffer.from(bytes).toString("latin1"))).toBe(digits);
    }),
  );
});

test("a part is read and written where it is told", () => {
  expect(toHex(Uint8Array.of(0xff, 0x0a, 0xb1, 0), 1, 3)).toBe("0ab1");
  const bytes = new Uint8Array(4);
  writeHex("c0ffee", bytes, 1, 2);
  expect([...bytes]).toEqual([0, 0xc0, 0xff, 0]);
});
