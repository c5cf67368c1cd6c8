/** The platform as simulations are handed it. */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Platform } from "@hearsay/simulator";
import { MemoryLevel } from "memory-level";

/** After so many turns the event loop gets one, so that the runner of the tests hears from this thread. */
const TURNS_TO_EVENT_LOOP = 256;

let turns = 0;

/** As packages/cli/src/sim/platform.ts has it. */
function turn(): Promise<void> {
  turns = (turns + 1) % TURNS_TO_EVENT_LOOP;
  return new Promise((resolve) => {
    if (turns === 0) setImmediate(resolve);
    else queueMicrotask(() => process.nextTick(resolve));
  });
}

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
  turn,
};
