/** What a simulation is handed of this machine. */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Platform } from "@hearsay/simulator";
import { MemoryLevel } from "memory-level";

const RAW = { keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" } as const;

const TURNS_WITHOUT_LOOP = 1000;
let turns = 0;

export const platform: Platform = {
  hashing: {
    sha256: (bytes) => hash("sha256", bytes, "buffer"),
    sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
    crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
  },
  newDatabase: () => new MemoryLevel<Uint8Array, Uint8Array>(RAW),
  turn: () =>
    new Promise((resolve) => {
      turns += 1;
      // What is queued so comes after all promises that can settle, and is cheaper than a turn of the event loop. The loop
      // gets its turn from time to time, so that the run can be stopped.
      if (turns % TURNS_WITHOUT_LOOP === 0) setImmediate(resolve);
      else process.nextTick(resolve);
    }),
};
