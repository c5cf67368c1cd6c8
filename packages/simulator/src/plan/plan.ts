/**
 * What happens in a run, as data: settings, and actions at their times. A seed makes a plan, and a plan can be cut down to
 * what it takes for the same invariant to break.
 */
import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  type RandomSource,
  randomBelow,
  SeededRandom,
} from "@hearsay/core";
import { EXCHANGE_LIMITS } from "@hearsay/node";
import { COMMON_SETTINGS, type CommonSettings } from "../cluster/composition.ts";
import type { DiskLatency } from "../disk/virtual-disk.ts";
import type { Action, Fault, Operation } from "./actions.ts";
import { type Beginning, drawBeginning } from "./beginnings.ts";
import { COMMON_FAULT_KINDS, type FaultKind } from "./faults.ts";
import { pick } from "./pick.ts";
import {
  drawLegacies,
  drawMistakes,
  drawPairs,
  drawPartings,
  drawRareFaults,
  drawWorn,
  viewed,
} from "./rare-draws.ts";
import { drawRequests, narrowed } from "./second-draws.ts";

export type Mode = "safety" | "liveness";

export interface Plan {
  readonly seed: number;
  readonly mode: Mode;
  readonly nodes: number;
  readonly durationMs: number;
  readonly settings: CommonSettings;
  readonly disk: DiskLatency;
  /** Undefined: the first node begins the cluster by itself, and the others enter it one after the other. */
  readonly beginning: Beginning | undefined;
  readonly actions: readonly Action[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly mode: Mode;
  readonly nodes: number;
  readonly minutes: number;
}

const MINUTE_MS = 60_000;
const CLIENTS = 4;
/** Faults come in storms, with calm in between in which nodes may become complete and purge. */
const STORM_MS = 50_000;
const CALM_MS = 30_000;
const FAULT_INTERVAL_MS = 4_000;
const FAULT_MAX_MS = 15_000;
/** One partition in ten lasts until both sides have given each other up, and longer than a storm. */
const LONG_SHARE = 0.1;
const LONG_MS = 60_000;
const DIVIDING: readonly FaultKind[] = ["halves", "isolate"];
/** After the start, so that the cluster stands. */
const FIRST_MS = 5_000;

export function makePlan({ seed, mode, nodes, minutes }: PlanOptions): Plan {
  const random = new SeededRandom(seed);
  const durationMs = minutes * MINUTE_MS;
  const drawn = drawSettings(random.fork());
  const operations = drawOperations(random.fork(), durationMs);
  const faults = drawFaults(random.fork(), durationMs);
  const disk = { leastMs: 0.1, mostMs: 0.2 + 8 * random.next() };
  const narrow = narrowed(random.fork(), drawn);
  const requests = drawRequests(random.fork(), FIRST_MS, durationMs);
  const rare = drawRareFaults(random.fork(), FIRST_MS, durationMs);
  const partings = drawPartings(random.fork(), faults);
  const settings = viewed(random.fork(), narrow);
  const worn = drawWorn(random.fork(), FIRST_MS, durationMs);
  const mistakes = drawMistakes(random.fork(), FIRST_MS, durationMs);
  const legacies = drawLegacies(random.fork(), FIRST_MS, durationMs);
  const beginnings = random.fork();
  const pairs = drawPairs(random.fork(), FIRST_MS, durationMs);
  const drawnApart = [...rare, ...partings, ...worn, ...mistakes, ...legacies, ...pairs];
  const all = [...operations, ...requests, ...faults, ...drawnApart];
  const { beginning, actions } = drawBeginning(beginnings, nodes, all);
  const inOrder = [...actions].sort((a, b) => a.atMs - b.atMs);
  return { seed, mode, nodes, durationMs, settings, disk, beginning, actions: inOrder };
}

function drawSettings(random: RandomSource): CommonSettings {
  const member = {
    // Not below the drift that clocks may have (docs/decisions/0002).
    tombstoneRetentionMs: pick(random, [10_000, 10_000, 20_000, 3_600_000]),
    rumors: {
      ...DEFAULT_RUMOR_OPTIONS,
      mode: pick(random, ["push", "push_pull", "push_pull", "push_pull", "push_pull", "pull"] as const),
      pullIntervalMs: 500,
      inlineMaxBytes: pick(random, [0, 64, 4096]),
      directMailMax: pick(random, [0, 8, 8, 8]),
    },
    antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: pick(random, [500, 1000, 3000]) },
    exchange: {
      ...EXCHANGE_LIMITS,
      maxMessageBytes: pick(random, [300, 4096, 1024 * 1024]),
      maxWants: pick(random, [2, 4096]),
    },
  };
  return {
    ...COMMON_SETTINGS,
    durability: random.next() < 0.75 ? "fsync" : "os",
    store: {
      cacheMaxBytes: pick(random, [600, 4096, 1024 * 1024]),
      pendingMaxBytes: pick(random, [16 * 1024, 1024 * 1024]),
      historyMaxVersions: pick(random, [1, 3, 10]),
    },
    member,
  };
}

function drawOperations(random: RandomSource, durationMs: number): Operation[] {
  const keys = pick(random, [4, 12, 32]);
  const intervalMs = pick(random, [150, 400, 1200]);
  const operations: Operation[] = [];
  for (let atMs = FIRST_MS; atMs < durationMs; atMs += 2 * intervalMs * random.next()) {
    operations.push({
      kind: "operation",
      atMs,
      client: randomBelow(random, CLIENTS),
      does: pick(random, [
        "put",
        "put",
        "put",
        "delete",
        "delete",
        "expire",
        "resolve",
        "read",
        "read",
        "fetch",
      ] as const),
      key: `key-${randomBelow(random, keys)}`,
      context: pick(random, ["fresh", "fresh", "stale", "empty", "none", "none"] as const),
      node: random.next(),
      ttlMs: 1 + randomBelow(random, 30_000),
      bytes: random.next() < 0.05 ? 2000 : randomBelow(random, 60),
      acks: random.next() < 0.25 ? 2 : 1,
    });
  }
  return operations;
}

function drawFaults(random: RandomSource, durationMs: number): Fault[] {
  // Each run has its own weather: some kinds often, some never.
  const kinds = COMMON_FAULT_KINDS.filter(() => random.next() < 0.6);
  const faults: Fault[] = [];
  if (kinds.length === 0) return faults;
  for (let atMs = FIRST_MS; atMs < durationMs; atMs += 2 * FAULT_INTERVAL_MS * random.next()) {
    if (atMs % (STORM_MS + CALM_MS) > STORM_MS) continue;
    const fault = pick(random, kinds);
    const lasts = random.next();
    const isLong = DIVIDING.includes(fault) && lasts > 1 - LONG_SHARE;
    faults.push({
      kind: "fault",
      atMs,
      fault,
      durationMs: isLong ? LONG_MS : 500 + FAULT_MAX_MS * lasts ** 2,
      node: random.next(),
      other: random.next(),
      strength: random.next(),
    });
  }
  return faults;
}
