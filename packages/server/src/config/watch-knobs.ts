/** The knobs of watching. */
import { bytes, count, type Knob } from "./knob.ts";

export interface WatchSettings {
  readonly "watch.maxWatchers": number;
  readonly "watch.maxReaderBytes": number;
  readonly "watch.maxHeldBytes": number;
  readonly "watch.maxScans": number;
  readonly "watch.logMaxBytes": number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const WATCH_KNOBS: { readonly [Name in keyof WatchSettings]: Knob<WatchSettings[Name]> } = {
  "watch.maxWatchers": count({
    sets: "watches, long polls and blocking queries at one time; more are refused",
    reason: "half of the connections that are open at one time",
    fallback: 2_048,
    min: 1,
    max: 1_000_000,
  }),
  "watch.maxReaderBytes": bytes({
    sets: "the bytes of events that may wait for one reader; one that takes less than comes is cut off",
    reason: "a few of the largest values; a reader that is cut off goes on with its cursor",
    fallback: 4 * MIB,
    min: KIB,
    max: 1024 * MIB,
  }),
  "watch.maxHeldBytes": bytes({
    sets: "the memory for changes that wait until all who watch are told; of more they get each key's newest state",
    reason: "some seconds of small writes that a thousand watch",
    fallback: 32 * MIB,
    min: KIB,
    max: 1024 * MIB,
  }),
  "watch.maxScans": count({
    sets: "looks at all records under a prefix, for readers that begin, at one time; others wait",
    reason: "many that come back at once leave the disk to reads and writes",
    fallback: 4,
    min: 1,
    max: 1_000,
  }),
  "watch.logMaxBytes": bytes({
    sets: "the memory for the keys of the newest changes",
    reason: "about 100,000 changes; readers that were away for less need no look at all records",
    fallback: 16 * MIB,
    min: KIB,
    max: 1024 * MIB,
  }),
};
