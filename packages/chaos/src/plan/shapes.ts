/** The usual shapes of partitions, as the links that are cut. A link has a direction: that of the caller. */
import { type RandomSource, randomBelow, shuffled } from "@hearsay/core";

export interface Link {
  /** Indexes of nodes. */
  readonly from: number;
  readonly to: number;
}

export interface Shape {
  readonly name: string;
  readonly cut: readonly Link[];
}

type Maker = (nodes: readonly number[]) => Shape;

/** @param nodes in random order */
const MAKERS: readonly Maker[] = [
  (nodes) => {
    const [left, right] = halvesOf(nodes);
    return {
      name: `halves ${shown(left)} | ${shown(right)}`,
      cut: [...between(left, right), ...between(right, left)],
    };
  },
  (nodes) => {
    const [left, right] = [nodes.slice(0, 1), nodes.slice(1)];
    return { name: `${shown(left)} alone`, cut: [...between(left, right), ...between(right, left)] };
  },
  (nodes) => {
    const [left, right] = halvesOf(nodes);
    return { name: `${shown(left)} cannot call ${shown(right)}`, cut: between(left, right) };
  },
  (nodes) => ({ name: "all apart", cut: between(nodes, nodes) }),
  (nodes) => {
    const [bridge = 0, ...others] = nodes;
    const [left, right] = halvesOf(others);
    const cut = [...between(left, right), ...between(right, left)];
    return { name: `${shown(left)} | ${shown(right)}, bridge ${shown([bridge])}`, cut };
  },
  // Everybody sees a majority, and no two the same one.
  (nodes) => {
    const near = Math.ceil(Math.floor(nodes.length / 2) / 2);
    const cut = nodes.flatMap((from, i) =>
      nodes.flatMap((to, j) => {
        const apart = Math.abs(i - j);
        return from === to || Math.min(apart, nodes.length - apart) <= near ? [] : [{ from, to }];
      }),
    );
    return { name: `majority ring ${shown(nodes)}`, cut };
  },
];

/** The last two shapes need as many to differ from the others. */
const BRIDGE_MIN = 3;
const RING_MIN = 5;

export function drawShape(random: RandomSource, count: number): Shape {
  const nodes = shuffled(
    random,
    Array.from({ length: count }, (_, i) => i),
  );
  const known = MAKERS.length - (count < RING_MIN ? 1 : 0) - (count < BRIDGE_MIN ? 1 : 0);
  const make = MAKERS[randomBelow(random, known)];
  if (make === undefined) throw new Error("there is no such shape");
  return make(nodes);
}

function halvesOf(nodes: readonly number[]): [readonly number[], readonly number[]] {
  const middle = Math.ceil(nodes.length / 2);
  return [nodes.slice(middle), nodes.slice(0, middle)];
}

export function between(left: readonly number[], right: readonly number[]): Link[] {
  return left.flatMap((from) => right.flatMap((to) => (from === to ? [] : [{ from, to }])));
}

function shown(nodes: readonly number[]): string {
  return nodes.map(nodeName).join(" ");
}

export function nodeName(index: number): string {
  return `n${index + 1}`;
}
