import { crc32 } from "node:zlib";
import type { Hashing } from "@hearsay/core";
import { expect, test } from "vitest";
import { Trace } from "./trace.ts";

const HASHING: Hashing = {
  sha256: (bytes) => bytes,
  sha256Hex: () => "",
  sha256Text: () => "",
  crc32,
};

test("lines for people say more than the checksum is made of, and are made only where they are kept", () => {
  const [kept, unkept, plain] = [true, false, false].map((keeps) => new Trace(HASHING, () => 1500, keeps));
  let made = 0;
  const told = (): string => `n1 stores k at ${++made}`;
  kept?.note("n1 stores k", told);
  unkept?.note("n1 stores k", told);
  plain?.note("n1 stores k");
  expect(made).toBe(1);
  expect(kept?.lines).toEqual(["1.500 n1 stores k at 1"]);
  expect(unkept?.lines).toEqual([]);
  expect([kept?.hash, unkept?.hash]).toEqual([plain?.hash, plain?.hash]);
});
