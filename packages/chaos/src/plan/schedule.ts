/**
 * What will happen to a cluster and when, from a seed alone. Faults lie in lanes: those of one lane follow one another,
 * lanes overlap. One lane is the network's, one the clocks', and the machines have one or two with nodes of their own.
 */
import { type RandomSource, randomBelow, SeededRandom, shuffled } from "@hearsay/core";
import { FAULTS, type FaultKind, type FaultName } from "./faults.ts";
import { between, drawShape, type Link, nodeName } from "./shapes.ts";

export interface PlannedFault {
  readonly kind: FaultName;
  /** Since the beginning of the run; later when the one before it in its lane takes longer. */
  readonly atMs: number;
  readonly forMs: number;
  /** Indexes of nodes. */
  readonly nodes: readonly number[];
  /** The links it is about. */
  readonly links: readonly Link[];
  readonly detail: string;
  /** A number of its own, for what it draws itself. */
  readonly seed: number;
  /** Milliseconds of a jump; the share of broken connections; bytes a second; milliseconds of a delay. */
  readonly amount: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly durationMs: number;
  readonly faults: readonly FaultName[];
}

/** Between two faults of one lane, on average. */
const GAP_MS = { network: 2_500, machine: 1_500, clock: 6_000 } as const;
/** The first faults meet a cluster that has something to lose. */
const QUIET_MS = 1_500;
/** From so many nodes on the machines have two lanes. */
const TWO_LANES_MIN = 4;
/** More ahead, and a write that the node has taken by then cannot be handed on for as long. */
const AHEAD_MAX_MS = 2_500;
const BACK_MAX_MS = 60_000;

/** The lanes, each in the order of time. */
export function planFaults(options: PlanOptions): PlannedFault[][] {
  const random = new SeededRandom(options.seed);
  const all = Array.from({ length: options.nodes }, (_, i) => i);
  const mixed = shuffled(random, all);
  const middle = Math.ceil(mixed.length / 2);
  const machines = options.nodes < TWO_LANES_MIN ? [mixed] : [mixed.slice(0, middle), mixed.slice(middle)];
  const kinds = FAULTS.filter(
    ({ name, minNodes }) => options.faults.includes(name) && options.nodes >= minNodes,
  );
  const of = (...groups: readonly string[]): readonly FaultKind[] =>
    kinds.filter(({ group }) => groups.includes(group));
  return [
    planLane(random.fork(), of("network"), { gapMs: GAP_MS.network, nodes: all, options }),
    ...machines.map((nodes) =>
      planLane(random.fork(), of("process", "disk"), { gapMs: GAP_MS.machine, nodes, options }),
    ),
    planLane(random.fork(), of("clock"), { gapMs: GAP_MS.clock, nodes: all, options }),
  ];
}

/** By how much the clocks of two nodes may differ because of planned faults. */
export function clockErrorMs(faults: readonly FaultName[]): number {
  return faults.includes("clock") ? AHEAD_MAX_MS + BACK_MAX_MS : 0;
}

interface Lane {
  readonly gapMs: number;
  readonly nodes: readonly number[];
  readonly options: PlanOptions;
}

function planLane(random: RandomSource, kinds: readonly FaultKind[], lane: Lane): PlannedFault[] {
  const planned: PlannedFault[] = [];
  if (kinds.length === 0) return planned;
  const { durationMs } = lane.options;
  for (let atMs = QUIET_MS; ; ) {
    atMs += lane.gapMs * (0.3 + 1.4 * random.next());
    if (atMs >= durationMs) return planned;
    const fault = planOne(random.fork(), drawKind(random, kinds), atMs, lane);
    planned.push(fault);
    atMs += fault.forMs;
  }
}

function drawKind(random: RandomSource, kinds: readonly FaultKind[]): FaultKind {
  let left = random.next() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  for (const kind of kinds) {
    left -= kind.weight;
    if (left < 0) return kind;
  }
  const last = kinds.at(-1);
  if (last === undefined) throw new Error("there is nothing to draw from");
  return last;
}

function planOne(random: RandomSource, kind: FaultKind, atMs: number, lane: Lane): PlannedFault {
  const [min, max] = kind.forMs;
  const count = lane.options.nodes;
  const node = lane.nodes[randomBelow(random, lane.nodes.length)] ?? 0;
  const common = {
    kind: kind.name,
    atMs: Math.round(atMs),
    forMs: Math.round(
      Math.min(min + (max - min) * random.next(), Math.max(0, lane.options.durationMs - atMs)),
    ),
    seed: randomBelow(random, 2 ** 31),
  };
  const all = Array.from({ length: count }, (_, i) => i);
  switch (kind.name) {
    case "partition":
    case "hole": {
      const { name, cut } = drawShape(random, count);
      return { ...common, nodes: all, links: cut, detail: name, amount: 0 };
    }
    case "delay":
      return { ...common, ...someLinks(random, count), amount: Math.round(20 + 380 * random.next() ** 2) };
    case "loss":
    case "cut":
      return { ...common, ...someLinks(random, count), amount: 0.1 + 0.5 * random.next() };
    case "trickle":
      return { ...common, ...someLinks(random, count), amount: Math.round(2_000 + 18_000 * random.next()) };
    case "clock": {
      const ahead = random.next() < 0.5;
      const amount = Math.round((ahead ? AHEAD_MAX_MS : -BACK_MAX_MS) * (0.1 + 0.9 * random.next()));
      return { ...common, nodes: [node], links: [], detail: `${amount > 0 ? "+" : ""}${amount} ms`, amount };
    }
    case "kill-all":
      return { ...common, nodes: all, links: [], detail: "all at one time", amount: 0 };
    default:
      return { ...common, nodes: [node], links: [], detail: nodeName(node), amount: random.next() };
  }
}

function someLinks(random: RandomSource, count: number): Pick<PlannedFault, "nodes" | "links" | "detail"> {
  const all = shuffled(
    random,
    Array.from({ length: count }, (_, i) => i),
  );
  const nodes = all.slice(0, 1 + randomBelow(random, count));
  const links = [...between(nodes, all), ...between(all, nodes)];
  return { nodes, links, detail: `links of ${nodes.map(nodeName).join(" ")}` };
}
