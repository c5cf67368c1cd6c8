/**
 * How a cluster begins, as data: in some runs the nodes are told of one another and found it together (docs/cluster.md, *Beginning
 * a cluster*), each started a while after the one before, and faults strike meanwhile. Drawn after all else.
 */
import { type RandomSource, randomBelow, shuffled } from "@hearsay/core";
import type { Action, Fault } from "./actions.ts";
import type { FaultKind } from "./faults.ts";
import { pick } from "./pick.ts";
import { isOnePromised } from "./promised.ts";

/** One node's first start. */
export interface FirstStart {
  readonly atMs: number;
  /** Nodes, by their numbers, that it is told of until all are members; of nobody: it begins a cluster by itself. Undefined: of all. */
  readonly told: readonly number[] | undefined;
}

export interface Beginning {
  /** In the order of the nodes. */
  readonly starts: readonly FirstStart[];
  /** By then all have to be members. Undefined where the storms begin before. */
  readonly membersByMs: number | undefined;
}

export interface Drawn {
  readonly beginning: Beginning | undefined;
  readonly actions: readonly Action[];
}

const SHARE = 0.3;
const GAPS_MS = [0, 100, 500, 2_000] as const;
/** Of the lists of seeds: all of all, and all but one, which begins by itself. */
const ALL_SHARE = 0.4;
const ALONE_SHARE = 0.15;
/** Lists that are tried before all are told of all. */
const TRIES = 20;
const STRIKES_MAX = 6;
const STRIKES_MS = 8_000;
const LASTS_MS = 8_000;
/** After the last fault of its beginning a cluster has so long: a timeout, a few tries, and the first look for the dead. */
const MEMBERS_WITHIN_MS = 30_000;
/** Until whom it strikes is found, and founding. */
export const FOUNDER_WITHIN_MS = 7_000;

/** None loses what a node has on disk. */
const MILD: readonly FaultKind[] = [
  "founder_stopped",
  "founder_stopped",
  "founder_stopped",
  "delay",
  "slow_reader",
  "isolate",
  "halves",
  "bridge",
  "asymmetric",
  "swizzle_clog",
  "loss",
  "reordering",
  "duplication",
  "pause",
  "crash",
  "slow_disk",
];
const HARD: readonly FaultKind[] = [...MILD, "disk_lost", "unsynced_lost", "disk_full", "clock_jump"];

/** @returns how it begins, and what happens then: where the storms come later, without those of before */
export function drawBeginning(random: RandomSource, nodes: number, actions: readonly Action[]): Drawn {
  if (random.next() >= SHARE || nodes < 2) return { beginning: undefined, actions };
  const isCalm = random.next() < 0.5;
  const gapMs = pick(random, GAPS_MS);
  const told = drawTold(random, nodes, isCalm);
  const times = Array.from({ length: nodes }, (_, i) => i * gapMs * random.next());
  const order = shuffled(random, times);
  const starts = order.map((atMs, i) => ({ atMs, told: told[i] }));
  const strikes = drawStrikes(random, isCalm ? MILD : HARD);
  if (!isCalm) return { beginning: { starts, membersByMs: undefined }, actions: [...actions, ...strikes] };
  const ends = strikes.map(({ atMs, durationMs }) => atMs + FOUNDER_WITHIN_MS + durationMs);
  const membersByMs = Math.max(...times, ...ends) + MEMBERS_WITHIN_MS;
  const later = actions.filter(({ kind, atMs }) => kind !== "fault" || atMs > membersByMs);
  return { beginning: { starts, membersByMs }, actions: [...later, ...strikes] };
}

function drawTold(random: RandomSource, nodes: number, mayBePartial: boolean): FirstStart["told"][] {
  const all: FirstStart["told"][] = Array.from({ length: nodes }, () => undefined);
  const how = random.next();
  if (how < ALONE_SHARE) return all.with(randomBelow(random, nodes), []);
  if (how < ALONE_SHARE + ALL_SHARE || !mayBePartial) return all;
  for (let tries = 0; tries < TRIES; tries++) {
    const told = random.next() < 0.5 ? sameLists(random, nodes) : ownLists(random, nodes);
    if (isOnePromised(told)) return told;
  }
  return all;
}

/** Some of the nodes are named to all, themselves included. */
function sameLists(random: RandomSource, nodes: number): number[][] {
  const order = shuffled(random, range(nodes));
  const list = order.slice(0, 1 + randomBelow(random, nodes));
  return range(nodes).map(() => list);
}

/** To each is named who it happens to be, to some all. */
function ownLists(random: RandomSource, nodes: number): number[][] {
  return range(nodes).map((node) => {
    const others = shuffled(
      random,
      range(nodes).filter((other) => other !== node),
    );
    return others.slice(0, random.next() < 0.3 ? nodes : 1 + randomBelow(random, nodes - 1));
  });
}

function drawStrikes(random: RandomSource, kinds: readonly FaultKind[]): Fault[] {
  return range(randomBelow(random, STRIKES_MAX + 1)).map(() => ({
    kind: "fault",
    atMs: STRIKES_MS * random.next() ** 2,
    fault: pick(random, kinds),
    durationMs: 200 + LASTS_MS * random.next() ** 2,
    node: random.next(),
    other: random.next(),
    strength: random.next(),
  }));
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
