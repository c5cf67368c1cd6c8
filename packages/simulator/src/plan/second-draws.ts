/**
 * Draws from a stream of their own, so that what a seed's first stream gives stays what it was: bounds so narrow that they are
 * reached, and requests.
 */
import {
  ANTI_ENTROPY_DEFAULTS,
  type ConflictPolicy,
  DEFAULT_RUMOR_OPTIONS,
  type RandomSource,
  randomBelow,
} from "@hearsay/core";
import { EXCHANGE_LIMITS } from "@hearsay/node";
import type { CommonSettings } from "../cluster/composition.ts";
import type { Request } from "./actions.ts";
import { pick } from "./pick.ts";
import { REQUEST_KINDS } from "./requests.ts";

/** Mean time between two requests. */
const INTERVAL_MS = 3_000;
/** Keys of the operations of clients, at most. */
const KEYS = 32;

/** @returns the settings, and in some of them other bounds */
export function narrowed(random: RandomSource, settings: CommonSettings): CommonSettings {
  const { rumors, exchange, antiEntropy } = settings.member;
  return {
    ...settings,
    maxSiblings: pick(random, [32, 32, 32, 2]),
    policies: pick<ReadonlyMap<string, ConflictPolicy>>(random, [
      new Map(),
      new Map(),
      new Map([["key-1", "discard"]]),
    ]),
    member: {
      ...settings.member,
      rumors: {
        ...DEFAULT_RUMOR_OPTIONS,
        ...rumors,
        hotMaxEntries: pick(random, [10_000, 10_000, 2]),
        maxRumorsPerMessage: pick(random, [1000, 1000, 2]),
        wantsMax: pick(random, [DEFAULT_RUMOR_OPTIONS.wantsMax, DEFAULT_RUMOR_OPTIONS.wantsMax, 1]),
      },
      exchange: {
        ...EXCHANGE_LIMITS,
        ...exchange,
        maxRecords: pick(random, [16_384, 16_384, 3]),
        maxSessions: pick(random, [64, 64, 2]),
        maxListedEntries: pick(random, [131_072, 0]),
        sessionIdleMs: pick(random, [30_000, 30_000, 3_000]),
      },
      antiEntropy: {
        ...ANTI_ENTROPY_DEFAULTS,
        ...antiEntropy,
        maxBytesPerSecond: pick(random, [0, 0, 0, 2_000]),
      },
    },
  };
}

/** Large batches come in some runs only, because everything is looked at over and over. */
export function drawRequests(random: RandomSource, firstMs: number, durationMs: number): Request[] {
  const kinds = random.next() < 0.3 ? REQUEST_KINDS : REQUEST_KINDS.filter((kind) => kind !== "batch");
  const requests: Request[] = [];
  for (let atMs = firstMs; atMs < durationMs; atMs += 2 * INTERVAL_MS * random.next()) {
    requests.push({
      kind: "request",
      atMs,
      request: pick(random, kinds),
      key: `key-${randomBelow(random, KEYS)}`,
      node: random.next(),
      strength: random.next(),
    });
  }
  return requests;
}
