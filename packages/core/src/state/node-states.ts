/**
 * What this node knows of the state of every node, in the way of Scuttlebutt (van Renesse, Dumitriu, Gough and Thomas,
 * "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols", 2008) and of Cassandra's gossip.
 *
 * Invariant: of each node, everything up to `maxVersion` in `generation` is here, but for values replaced since. So two numbers say
 * what is known of a node, and changes are sent in the order of their versions, without gaps.
 */
import type { NodeId } from "../identity.ts";
import { type RandomSource, shuffled } from "../random.ts";
import type { StateDelta, StateDigest, StateEntry, StateValue } from "./messages.ts";

/** Of a node's state. Whoever claims more is not believed, and so cannot make a node begin one that no message holds. */
export const STATE_GENERATION_MAX: number = 2 ** 52;

export interface NodeStateLimits {
  readonly maxNodes: number;
  readonly maxKeysPerNode: number;
  readonly maxKeyLength: number;
  readonly maxTextLength: number;
}

export const NODE_STATE_LIMITS: NodeStateLimits = {
  maxNodes: 1024,
  maxKeysPerNode: 32,
  maxKeyLength: 64,
  maxTextLength: 1024,
};

export interface NodeState {
  readonly node: NodeId;
  readonly generation: number;
  readonly maxVersion: number;
  readonly values: ReadonlyMap<string, { readonly value: StateValue; readonly version: number }>;
}

/** What a delta came to. `stranger`: it speaks of nobody that is a member. `outranked`: it says more of this very node than that one did. */
export type DeltaOutcome =
  | "applied"
  | "nothing_new"
  | "stale"
  | "gap"
  | "retired"
  | "over_limit"
  | "stranger"
  | "malformed"
  | "outranked";

interface MutableState {
  node: NodeId;
  generation: number;
  maxVersion: number;
  values: Map<string, { readonly value: StateValue; readonly version: number }>;
}

export class NodeStates {
  readonly #self: MutableState;
  readonly #limits: NodeStateLimits;
  readonly #states = new Map<NodeId, MutableState>();
  readonly #retired = new Set<NodeId>();
  readonly #isMember: (node: NodeId) => boolean;

  /**
   * @param generation above that of every earlier start of this node
   * @param isMember of whom a state is taken: ids that somebody has made up would leave no room for the members
   */
  constructor(
    self: NodeId,
    generation: number,
    limits: NodeStateLimits = NODE_STATE_LIMITS,
    isMember: (node: NodeId) => boolean = () => true,
  ) {
    this.#isMember = isMember;
    this.#self = { node: self, generation, maxVersion: 0, values: new Map() };
    this.#limits = limits;
    this.#states.set(self, this.#self);
  }

  get self(): NodeState {
    return this.#self;
  }

  get size(): number {
    return this.#states.size;
  }

  get(node: NodeId): NodeState | undefined {
    return this.#states.get(node);
  }

  all(): Iterable<NodeState> {
    return this.#states.values();
  }

  /** Changes this node's own state; null takes a value back. Says whether anything changed. */
  set(key: string, value: StateValue): boolean {
    const own = this.#self;
    if ((own.values.get(key)?.value ?? null) === value) return false;
    own.maxVersion += 1;
    own.values.set(key, { value, version: own.maxVersion });
    return true;
  }

  /** Begins a generation above another that claims this node's id, or the last one there is; all values are said anew. */
  outrank(generation: number): void {
    this.#self.generation = Math.max(this.#self.generation, Math.min(generation + 1, STATE_GENERATION_MAX));
  }

  /** The ids will never be heard of again. Takes the whole table of retired ids, which the member list bounds. */
  retire(nodes: Iterable<NodeId>): void {
    for (const node of nodes) {
      this.#retired.add(node);
      if (node !== this.#self.node) this.#states.delete(node);
    }
  }

  /** Digests in random order, as many as fit. */
  digests(
    maxBytes: number,
    random: RandomSource,
  ): { readonly digests: readonly StateDigest[]; readonly whole: boolean } {
    const digests: StateDigest[] = [];
    let bytes = 0;
    for (const { node, generation, maxVersion } of shuffled(random, [...this.#states.values()])) {
      bytes += DIGEST_FRAME_BYTES + node.length;
      if (bytes > maxBytes) return { digests, whole: false };
      digests.push({ node, generation, maxVersion });
    }
    return { digests, whole: true };
  }

  /** What is known here of the nodes of which the digests show more. */
  behind(digests: readonly StateDigest[]): readonly StateDigest[] {
    return digests.flatMap(({ node, generation, maxVersion }) => {
      if (node === this.#self.node || this.#retired.has(node)) return [];
      const known = this.#states.get(node);
      if (known === undefined) return this.#isMember(node) ? [{ node, generation: 0, maxVersion: 0 }] : [];
      const less =
        known.generation < generation || (known.generation === generation && known.maxVersion < maxVersion);
      return less ? [{ node, generation: known.generation, maxVersion: known.maxVersion }] : [];
    });
  }

  /** What is known here beyond the digests. `whole`: and of the nodes they leave out. */
  ahead(digests: readonly StateDigest[], whole: boolean): readonly StateDelta[] {
    const named = new Map(digests.map((digest) => [digest.node, digest]));
    const deltas: StateDelta[] = [];
    for (const state of this.#states.values()) {
      const theirs = named.get(state.node);
      if (theirs === undefined && !whole) continue;
      if (theirs !== undefined && theirs.generation > state.generation) continue;
      const after = theirs?.generation === state.generation ? theirs.maxVersion : 0;
      if (theirs?.generation === state.generation && after >= state.maxVersion) continue;
      deltas.push({
        node: state.node,
        generation: state.generation,
        after,
        entries: [...state.values]
          .filter(([, { version }]) => version > after)
          .map(([key, { value, version }]) => ({ key, value, version }))
          .sort((a, b) => a.version - b.version),
      });
    }
    return deltas;
  }

  apply(delta: StateDelta): DeltaOutcome {
    if (this.#retired.has(delta.node)) return "retired";
    if (delta.generation > STATE_GENERATION_MAX) return "malformed";
    if (delta.node === this.#self.node) {
      const { generation, maxVersion } = this.#self;
      const isLater =
        delta.generation > generation ||
        (delta.generation === generation && (delta.entries.at(-1)?.version ?? 0) > maxVersion);
      return isLater ? "outranked" : "nothing_new";
    }
    if (!this.#isWellFormed(delta)) return "malformed";
    const known = this.#states.get(delta.node);
    if (known === undefined && !this.#isMember(delta.node)) return "stranger";
    if (known === undefined && this.#states.size >= this.#limits.maxNodes) return "over_limit";
    if (known !== undefined && delta.generation < known.generation) return "stale";
    const continues = known !== undefined && delta.generation === known.generation;
    if (delta.after > (continues ? known.maxVersion : 0)) return "gap";
    const state: MutableState = continues
      ? known
      : { node: delta.node, generation: delta.generation, maxVersion: 0, values: new Map() };
    const news = delta.entries.filter((entry) => entry.version > state.maxVersion);
    if (continues && news.length === 0) return "nothing_new";
    const added = news.filter((entry) => !state.values.has(entry.key)).length;
    if (state.values.size + added > this.#limits.maxKeysPerNode) return "over_limit";
    for (const { key, value, version } of news) {
      state.values.set(key, { value, version });
      state.maxVersion = version;
    }
    this.#states.set(delta.node, state);
    return "applied";
  }

  #isWellFormed(delta: StateDelta): boolean {
    let last = delta.after;
    const keys = new Set<string>();
    for (const { key, value, version } of delta.entries) {
      if (version <= last || keys.has(key) || key.length > this.#limits.maxKeyLength) return false;
      if (typeof value === "string" && value.length > this.#limits.maxTextLength) return false;
      keys.add(key);
      last = version;
    }
    return true;
  }
}

/**
 * Cuts deltas down to a message. Every node gets its turn for one entry after the other, so that a node with much to say
 * does not silence the rest; each keeps a prefix by version, as the invariant needs.
 */
export function fitDeltas(
  deltas: readonly StateDelta[],
  maxBytes: number,
  random: RandomSource,
): readonly StateDelta[] {
  const turns = shuffled(random, deltas).map((delta) => ({ delta, taken: 0, open: true }));
  let bytes = 0;
  let anyOpen = true;
  for (let round = 0; anyOpen; round++) {
    anyOpen = false;
    for (const turn of turns) {
      const entry = turn.delta.entries[round];
      if (!turn.open || entry === undefined) continue;
      const cost = entryBytes(entry) + (round === 0 ? DELTA_FRAME_BYTES + turn.delta.node.length : 0);
      turn.open = bytes + cost <= maxBytes;
      if (!turn.open) continue;
      bytes += cost;
      turn.taken = round + 1;
      anyOpen = true;
    }
  }
  return turns
    .filter(({ taken }) => taken > 0)
    .map(({ delta, taken }) => ({ ...delta, entries: delta.entries.slice(0, taken) }));
}

function entryBytes({ key, value }: StateEntry): number {
  return (
    ENTRY_FRAME_BYTES + UTF8_BYTES_PER_UNIT * (key.length + (typeof value === "string" ? value.length : 0))
  );
}

const UTF8_BYTES_PER_UNIT = 3;
const DIGEST_FRAME_BYTES = 24;
const DELTA_FRAME_BYTES = 32;
const ENTRY_FRAME_BYTES = 24;
