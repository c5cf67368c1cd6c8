/** The platform as simulations are handed it. */
import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Platform } from "@hearsay/simulator";
import { MemoryLevel } from "memory-level";

export const platform: Platform = {
  hashing: {
    sha256: (bytes) => hash("sha256", bytes, "buffer"),
    sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
    sha256Text: (bytes) => hash("sha256", bytes, "binary"),
    crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
  },
  newDatabase: () =>
    new MemoryLevel<Uint8Array, Uint8Array>({
      keyEncoding: "view",
      valueEncoding: "view",
      storeEncoding: "view",
    }),
  turn: () => setImmediate(),
};
