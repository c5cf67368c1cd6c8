/** Cluster-wide figures from the node states at hand. Where a node knows only part of the cluster, see push-sum. */
import type { NodeId } from "../identity.ts";
import type { StateValue } from "./messages.ts";
import type { NodeState } from "./node-states.ts";

export function stateText(state: NodeState, key: string): string | undefined {
  const value: StateValue | undefined = state.values.get(key)?.value;
  return typeof value === "string" ? value : undefined;
}

export function stateNumber(state: NodeState, key: string): number | undefined {
  const value: StateValue | undefined = state.values.get(key)?.value;
  return typeof value === "number" ? value : undefined;
}

export interface Aggregate {
  /** Nodes that published the number. */
  readonly count: number;
  readonly sum: number;
  /** Undefined when no node published it. */
  readonly average: number | undefined;
}

/** Sum, count and average of one number over the nodes that count. */
export function aggregate(
  states: Iterable<NodeState>,
  key: string,
  counts: (node: NodeId) => boolean,
): Aggregate {
  let count = 0;
  let sum = 0;
  for (const state of states) {
    const value = counts(state.node) ? stateNumber(state, key) : undefined;
    if (value === undefined) continue;
    count += 1;
    sum += value;
  }
  return { count, sum, average: count === 0 ? undefined : sum / count };
}

/** Nodes whose state is known and that count: the size of the cluster, as long as each node knows all others. */
export function countNodes(states: Iterable<NodeState>, counts: (node: NodeId) => boolean): number {
  let nodes = 0;
  for (const state of states) if (counts(state.node)) nodes += 1;
  return nodes;
}
