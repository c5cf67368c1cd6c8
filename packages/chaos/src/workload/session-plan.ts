/** What one session will do, from a seed alone: what depends on answers (a context, the last write) is left open. */
import { type RandomSource, randomBelow } from "@hearsay/core";
import type { OperationSpec, WorkloadSpec } from "./spec.ts";

export interface PlannedOperation {
  readonly spec: OperationSpec;
  /** Index of the node it goes to. */
  readonly node: number;
  /** Undefined for a key that depends on what the session has done: its last, or one of its own. */
  readonly key: string | undefined;
  /** Chooses among the session's own keys: in [0, 1). */
  readonly pick: number;
  readonly bytes: number;
  /** From the planned beginning of the operation before it. */
  readonly afterMs: number;
}

/**
 * Writes to a key whose writers have seen nothing, on average: each stays beside the others, and a key keeps
 * `conflicts.maxSiblings` of them, 32 by default.
 */
const SIBLINGS = 8;

export class SessionPlan {
  readonly #random: RandomSource;
  readonly #spec: WorkloadSpec;
  readonly #nodes: number;
  readonly #session: number;
  #node: number;
  #count = 0;
  readonly #drawn: Map<OperationSpec, number> = new Map();

  constructor(random: RandomSource, session: number, spec: WorkloadSpec, nodes: number) {
    this.#random = random;
    this.#spec = spec;
    this.#nodes = nodes;
    this.#session = session;
    this.#node = randomBelow(random, nodes);
  }

  next(): PlannedOperation {
    const random = this.#random;
    const { sessions, ratePerSecond, moveEvery } = this.#spec;
    if (random.next() * moveEvery < 1) this.#node = randomBelow(random, this.#nodes);
    const spec = this.#draw();
    const [min, max] = spec.bytes;
    this.#count += 1;
    return {
      spec,
      node: this.#node,
      key: this.#keyOf(spec),
      pick: random.next(),
      // Most are small.
      bytes: Math.round(min + (max - min) * random.next() ** 3),
      afterMs: (sessions / ratePerSecond) * 1_000 * (0.5 + random.next()),
    };
  }

  #keyOf(spec: OperationSpec): string | undefined {
    const { keys, context } = spec;
    if (keys === "once") return `once/${this.#session}-${this.#count}`;
    if (keys === "own" || keys === "last") return undefined;
    const key = `${keys.prefix}${randomBelow(this.#random, keys.count)}`;
    if (context !== "empty") return key;
    // All sessions change to new keys at about the same time.
    const drawn = this.#drawn.get(spec) ?? 0;
    this.#drawn.set(spec, drawn + 1);
    return `${key}.${Math.floor((drawn * this.#spec.sessions) / (keys.count * SIBLINGS))}`;
  }

  #draw(): OperationSpec {
    const { operations } = this.#spec;
    let left = this.#random.next() * operations.reduce((sum, { weight }) => sum + weight, 0);
    for (const spec of operations) {
      left -= spec.weight;
      if (left < 0) return spec;
    }
    const last = operations.at(-1);
    if (last === undefined) throw new Error("a workload has at least one operation");
    return last;
  }
}
