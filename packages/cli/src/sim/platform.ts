/** What a simulation is handed of this machine. */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Platform } from "@hearsay/simulator";
import { MemoryLevel } from "memory-level";

/** After so many turns the event loop gets one, so that a run that computes without a pause can be stopped. */
const TURNS_TO_EVENT_LOOP = 256;

const RAW = { keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" } as const;

let turns = 0;

const settled = Promise.resolve();

/**
 * What a run waits for is promises and nothing else. A callback of `nextTick` comes when all of those have settled, provided that a
 * promise has asked for it: one that a callback of the event loop asks for itself, as that which starts a run, comes before them.
 */
function turn(): Promise<void> {
  turns = (turns + 1) % TURNS_TO_EVENT_LOOP;
  return new Promise((resolve) => {
    if (turns === 0) setImmediate(resolve);
    else void settled.then(() => process.nextTick(resolve));
  });
}

export const platform: Platform = {
  hashing: {
    sha256: (bytes) => hash("sha256", bytes, "buffer"),
    sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
    sha256Text: (bytes) => hash("sha256", bytes, "binary"),
    crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
  },
  newDatabase: () => new MemoryLevel<Uint8Array, Uint8Array>(RAW),
  turn,
};
