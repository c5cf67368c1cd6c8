/**
 * Draws from streams of their own, so that what a seed has given before stays what it was: faults that strike seldom, moments at
 * which a wrong answer would matter, and views of the cluster that are not whole.
 */
import { type RandomSource, randomBelow } from "@hearsay/core";
import type { CommonSettings } from "../cluster/composition.ts";
import type { Action, Fault } from "./actions.ts";
import type { FaultKind } from "./faults.ts";
import { pick } from "./pick.ts";

/** Those that befall one machine now and then. */
const SMALL: readonly FaultKind[] = [
  "silent_loss",
  "silent_loss",
  "entry_lost",
  "retention_changed",
  "replaced",
];
const SMALL_SHARE = 0.5;
const SMALL_INTERVAL_MS = 25_000;
/** Those after which all begin anew strike once in a run at most: what was before is forgotten by them. */
const LARGE: readonly FaultKind[] = ["reset_alone", "restored"];
const LARGE_SHARE = 0.12;
const LASTS_MS = 10_000;

export function drawRareFaults(random: RandomSource, firstMs: number, durationMs: number): Fault[] {
  const at = (atMs: number, fault: FaultKind): Fault => ({
    kind: "fault",
    atMs,
    fault,
    durationMs: 500 + LASTS_MS * random.next() ** 2,
    node: random.next(),
    other: random.next(),
    strength: random.next(),
  });
  const faults: Fault[] = [];
  const kinds = SMALL.filter(() => random.next() < SMALL_SHARE);
  for (let atMs = firstMs; atMs < durationMs && kinds.length > 0; ) {
    atMs += 2 * SMALL_INTERVAL_MS * random.next();
    if (atMs < durationMs) faults.push(at(atMs, pick(random, kinds)));
  }
  for (const kind of LARGE) {
    if (random.next() < LARGE_SHARE) faults.push(at(firstMs + (durationMs - firstMs) * random.next(), kind));
  }
  return faults;
}

/** A node of which little is left, and which is killed time and again. */
const WORN_SHARE = 0.2;
const WORN_MS = 90_000;
const WORN_INTERVAL_MS = 6_000;

/** A directory that a salvage has left something in, and kills of its node, which never runs for as long as a retention. */
export function drawWorn(random: RandomSource, firstMs: number, durationMs: number): Fault[] {
  if (random.next() >= WORN_SHARE) return [];
  const node = random.next();
  const at = (atMs: number, fault: FaultKind): Fault => ({
    kind: "fault",
    atMs,
    fault,
    durationMs: 300,
    node,
    other: random.next(),
    strength: random.next(),
  });
  const startMs = firstMs + (durationMs - firstMs) * random.next();
  const endMs = Math.min(durationMs, startMs + WORN_MS);
  const faults = [at(startMs, "salvage_leftover")];
  for (let atMs = startMs; ; ) {
    atMs += 1_000 + WORN_INTERVAL_MS * random.next();
    if (atMs >= endMs) return faults;
    faults.push(at(atMs, "crash"));
  }
}

/** Mistakes that make a second cluster beside the one there is. */
const MISTAKES: readonly FaultKind[] = ["begun_beside", "alone_beside"];
const MISTAKES_SHARE = 0.5;
/** Long enough for its floor to rise above what the others hold, and for those to look for it. */
const MISTAKE_LEAST_MS = 20_000;
const MISTAKE_MOST_MS = 50_000;

/** In some runs an operator makes one of them, once. */
export function drawMistakes(random: RandomSource, firstMs: number, durationMs: number): Fault[] {
  const lastMs = durationMs - MISTAKE_MOST_MS;
  if (random.next() >= MISTAKES_SHARE || lastMs <= firstMs) return [];
  const fault = pick(random, MISTAKES);
  return [
    {
      kind: "fault",
      atMs: firstMs + (lastMs - firstMs) * random.next(),
      fault,
      durationMs: MISTAKE_LEAST_MS + (MISTAKE_MOST_MS - MISTAKE_LEAST_MS) * random.next(),
      node: random.next(),
      other: random.next(),
      strength: random.next(),
    },
  ];
}

const LEGACIES_SHARE = 0.3;
const LEGACIES_INTERVAL_MS = 60_000;

/** In some runs a node goes for good now and then, and leaves a write that one other alone has. */
export function drawLegacies(random: RandomSource, firstMs: number, durationMs: number): Fault[] {
  const faults: Fault[] = [];
  if (random.next() >= LEGACIES_SHARE) return faults;
  for (let atMs = firstMs; ; ) {
    atMs += 2 * LEGACIES_INTERVAL_MS * random.next();
    if (atMs >= durationMs) return faults;
    const lastsMs = 500 + LASTS_MS * random.next();
    const [node, other] = [random.next(), random.next()];
    faults.push({ kind: "fault", atMs, fault: "legacy", durationMs: lastsMs, node, other, strength: 0 });
  }
}

const PAIR_SHARE = 0.3;

/** In some runs two nodes lose their directories behind a partition, once. */
export function drawPairs(random: RandomSource, firstMs: number, durationMs: number): Fault[] {
  if (random.next() >= PAIR_SHARE) return [];
  const atMs = firstMs + (durationMs - firstMs) * random.next();
  const [node, other] = [random.next(), random.next()];
  return [{ kind: "fault", atMs, fault: "pair_lost", durationMs: 0, node, other, strength: 0 }];
}

/** Partitions in which a node may be left with a write that nobody else has. */
const PARTING: readonly FaultKind[] = ["isolate", "halves", "swizzle_clog", "asymmetric", "pause"];
const PARTING_SHARE = 0.5;
const KEYS = 4;
/** Of questions after one write: at once, while the others are still taken for alive, and when they may not be any more. */
const ASKED_AFTER_MS = [5, 100, 700, 3_000];

/** A node that was just cut off is written to, and is asked whether it may be stopped. */
export function drawPartings(random: RandomSource, faults: readonly Fault[]): Action[] {
  const actions: Action[] = [];
  for (const { fault, atMs, node } of faults) {
    if (!PARTING.includes(fault) || random.next() >= PARTING_SHARE) continue;
    const key = `key-${randomBelow(random, KEYS)}`;
    const writtenMs = atMs + 1_500 * random.next() ** 2;
    actions.push(put(writtenMs, key, node));
    for (const afterMs of ASKED_AFTER_MS) {
      const askedMs = writtenMs + afterMs * (0.5 + random.next());
      actions.push({ kind: "request", atMs: askedMs, request: "stopping", key, node, strength: 0 });
    }
  }
  return actions;
}

function put(atMs: number, key: string, node: number): Action {
  return {
    kind: "operation",
    atMs,
    client: 0,
    does: "put",
    key,
    context: "none",
    node,
    ttlMs: 0,
    bytes: 10,
    acks: 1,
  };
}

const VIEWS_SHARE = 0.2;

/** @returns the settings, in some runs with nodes that gossip with a few others only, which change */
export function viewed(random: RandomSource, settings: CommonSettings): CommonSettings {
  return { ...settings, viewSize: random.next() < VIEWS_SHARE ? 2 : undefined };
}
