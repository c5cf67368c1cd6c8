/**
 * The Merkle tree over the bucket fingerprints: arity 16, depth 4. The only importer of merkletreejs.
 *
 * merkletreejs' `IncrementalMerkleTree` rehashes a path for each updated leaf. Writes come by the thousand
 * between two roots, so the levels are kept here: leaves that changed are collected, they and their parents are
 * rehashed once, and one `update` at the end lets the library compute its root from them.
 *
 * Costs nothing while nothing is asked: the tree is built by the first root.
 */
import { BUCKET_COUNT, type Hashing, writeHex } from "@hearsay/core";
import { IncrementalMerkleTree } from "merkletreejs/IncrementalMerkleTree";
import { DirtyNodes } from "./dirty-nodes.ts";
import type { Tally } from "./tally.ts";

const ARITY = 16;
const DEPTH = 4;
/** Keeps inner nodes apart from leaves, whose bytes begin with another one. */
const INNER_DOMAIN = "\u0004";
/** Nodes hashed before the event loop gets its turn: about a millisecond. */
const SLICE_NODES = 256;
/** Of each hash, what the walk of two trees compares. */
const WALK_HASH_BYTES = 8;

export class BucketTree {
  readonly #hashing: Hashing;
  readonly #tally: Tally;
  readonly #yieldToEventLoop: () => Promise<void>;
  readonly #tree: IncrementalMerkleTree;
  /** The library's own nodes, leaves first, filled and changed in place. */
  readonly #levels: readonly string[][];
  /** Nodes to hash anew, by level as above. */
  readonly #dirty: readonly DirtyNodes[] = Array.from(
    { length: DEPTH },
    (_, height) => new DirtyNodes(ARITY ** (DEPTH - height)),
  );
  #built: boolean = false;
  /** A bucket below a node that was hashed since the last root: its path leads to the new one. */
  #changed: number | undefined;
  #refreshing: Promise<string> | undefined;

  constructor(hashing: Hashing, tally: Tally, yieldToEventLoop: () => Promise<void>) {
    this.#hashing = hashing;
    this.#tally = tally;
    this.#yieldToEventLoop = yieldToEventLoop;
    // An emptied bucket has to hash as one that was never used.
    const zeroValue = hashing.sha256Hex(emptyLeaf(tally));
    const hashChildren = (children: string[]): string => this.#hashChildren(children, 0);
    this.#tree = new IncrementalMerkleTree(hashChildren, { depth: DEPTH, arity: ARITY, zeroValue });
    // The library takes depth to the power of arity.
    this.#tree.getMaxLeaves = () => ARITY ** DEPTH;
    this.#levels = levelsOf(this.#tree);
  }

  /** Notes that a bucket's fingerprint has changed. */
  touch(bucket: number): void {
    if (this.#built) this.#dirty[0]?.add(bucket);
  }

  /** Notes that all may have changed. */
  touchAll(): void {
    if (!this.#built) return;
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#dirty[0]?.add(bucket);
  }

  /** The root as 64 hexadecimal digits, exact for the moment the promise settles. */
  root(): Promise<string> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * The hashes of a node's 16 children as of the last root, each cut to 8 bytes: 128 bytes.
   * @param level 0 for the root to 3 for the parents of the buckets
   */
  children(level: number, index: number): Uint8Array {
    const hashes = this.#levels[DEPTH - 1 - level];
    const bytes = new Uint8Array(ARITY * WALK_HASH_BYTES);
    for (let child = 0; child < ARITY; child++) {
      const hash = hashes?.[index * ARITY + child];
      if (hash === undefined)
        throw new RangeError(`the tree has no node ${index} at level ${level}, or no root yet`);
      writeHex(hash, bytes, child * WALK_HASH_BYTES, WALK_HASH_BYTES);
    }
    return bytes;
  }

  async #refresh(): Promise<string> {
    if (!this.#built) this.#fill();
    while (this.#dirtyCount() > SLICE_NODES) {
      this.#rehash(SLICE_NODES);
      await this.#yieldToEventLoop();
    }
    // After a single write the library's update hashes the whole path above, so nobody else need.
    if (this.#dirtyCount() === 1 && this.#dirty[0]?.size === 1) this.#rehashLeaf();
    else this.#rehash(Number.POSITIVE_INFINITY);
    if (this.#changed !== undefined) this.#tree.update(this.#changed, this.#levels[0]?.[this.#changed]);
    this.#changed = undefined;
    const root: unknown = this.#tree.getRoot();
    if (typeof root !== "string") throw new TypeError("merkletreejs answered a root that is no text");
    return root;
  }

  /** An empty tree, with all buckets in use to be hashed. */
  #fill(): void {
    let zero = this.#hashing.sha256Hex(emptyLeaf(this.#tally));
    for (const [height, level] of this.#levels.entries()) {
      level.length = ARITY ** (DEPTH - height);
      level.fill(zero);
      zero = this.#hashChildren(new Array<string>(ARITY).fill(zero), 0);
    }
    this.#built = true;
    for (const bucket of this.#tally.fingerprints.occupied()) this.touch(bucket);
  }

  #dirtyCount(): number {
    return this.#dirty.reduce((sum, nodes) => sum + nodes.size, 0);
  }

  #rehashLeaf(): void {
    const [leaves] = this.#levels;
    const leaf = this.#dirty[0]?.take();
    if (leaves === undefined || leaf === undefined) return;
    leaves[leaf] = this.#hashLeaf(leaf);
    this.#changed = leaf;
  }

  #hashLeaf(leaf: number): string {
    return this.#hashing.sha256Hex(this.#tally.fingerprints.leafBytes(leaf));
  }

  /** Hashes up to so many dirty nodes, lowest level first; their parents become dirty in turn. */
  #rehash(maxNodes: number): void {
    let left = maxNodes;
    for (const [height, nodes] of this.#dirty.entries()) {
      const level = this.#levels[height];
      const below = this.#levels[height - 1];
      for (; left > 0; left -= 1) {
        const node = nodes.take();
        if (node === undefined || level === undefined) break;
        level[node] = below === undefined ? this.#hashLeaf(node) : this.#hashChildren(below, node * ARITY);
        this.#dirty[height + 1]?.add(Math.floor(node / ARITY));
        this.#changed = node * ARITY ** height;
      }
    }
  }

  /** Hashes the nodes from `first` to the last one of the same parent, as one text: joining and encoding it cost as much. */
  #hashChildren(nodes: readonly string[], first: number): string {
    let text = INNER_DOMAIN;
    for (let at = first; at < first + ARITY; at++) text += nodes[at] ?? "";
    return this.#hashing.sha256Hex(text);
  }
}

function emptyLeaf(tally: Tally): Uint8Array {
  const leaf = tally.fingerprints.leafBytes(0).slice().fill(0);
  leaf[0] = tally.fingerprints.leafBytes(0)[0] ?? 0;
  return leaf;
}

/** The library declares its nodes private, but filling them level by level is the way to load it in reasonable time. */
function levelsOf(tree: IncrementalMerkleTree): string[][] {
  const nodes: unknown = Reflect.get(tree, "nodes");
  if (!Array.isArray(nodes) || nodes.length !== DEPTH || !nodes.every(isEmptyArray)) {
    throw new TypeError("merkletreejs keeps its nodes otherwise than expected");
  }
  return nodes;
}

function isEmptyArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.length === 0;
}
