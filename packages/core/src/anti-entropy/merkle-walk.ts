/**
 * Finding what two replicas differ in, by descending both Merkle trees into differing subtrees only.
 *
 * The tree has arity 16 and depth 4 over the 65,536 buckets. Each message carries the children's hashes of the
 * nodes known to differ, and the answer goes one level further, so a round trip descends two levels:
 *
 *   start    ->  root                           <-  level 1 hashes
 *   compare  ->  level 2 hashes (differing 1)   <-  level 3 hashes (differing 2)
 *   compare  ->  bucket hashes  (differing 3)   <-  entries of the differing buckets
 *
 * After three round trips both directions of the difference are known to the side that asks. Cost follows the
 * difference: a difference touches at most one node a level.
 *
 * Bounds: a request names at most {@link WALK_MAX_NODES} nodes, the walk goes depth first, so what it remembers is
 * at most the differing nodes of one request a level; the responder answers within its own byte budget and lists
 * what it left out, which is asked again.
 */

/** Hashes are compared by their first 8 bytes below the root; the root is compared whole. */
export const WALK_HASH_BYTES = 8;
export const TREE_ARITY = 16;
/** Levels count from the root, 0; the buckets' leaves are level 4. */
export const TREE_DEPTH = 4;
const LEAF_LEVEL: number = TREE_DEPTH;
const CHILDREN_BYTES: number = TREE_ARITY * WALK_HASH_BYTES;

/** Nodes in a compare request: 256 KiB of hashes at most. */
export const WALK_MAX_NODES = 2048;

/** The store's tree as the walk sees it. */
export interface MerkleView {
  /** The 16 children's hashes of a node at levels 0 to 3, each cut to 8 bytes: 128 bytes. */
  children(level: number, index: number): Uint8Array;
}

export interface WalkNode {
  readonly level: number;
  readonly index: number;
  readonly children: Uint8Array;
}

export interface CompareRequest {
  readonly nodes: readonly WalkNode[];
}

export interface CompareReply {
  /** Differing children above the leaves, each with its own children's hashes. */
  readonly nodes: readonly WalkNode[];
  /** Differing buckets, each with its entries; see `bucket-entries.ts`. */
  readonly buckets: readonly BucketListing[];
  /** Requested nodes, by position in the request, that did not fit and have to be asked again. */
  readonly leftOut: readonly number[];
}

export interface BucketListing {
  readonly bucket: number;
  readonly entries: Uint8Array;
}

export class MerkleWalk {
  readonly #view: MerkleView;
  /** Nodes known to differ whose children have to be compared; the deepest last. */
  readonly #pending: { readonly level: number; readonly index: number }[] = [];
  #asked: readonly WalkNode[] = [];

  /** @param rootChildren the peer's level 1 hashes */
  constructor(view: MerkleView, rootChildren: Uint8Array) {
    this.#view = view;
    this.#push(0, 0, rootChildren);
  }

  /** The next request, or undefined when nothing is left to compare. One request is open at a time. */
  next(): CompareRequest | undefined {
    if (this.#pending.length === 0) return undefined;
    this.#asked = this.#pending
      .splice(-WALK_MAX_NODES)
      .map(({ level, index }) => ({ level, index, children: this.#view.children(level, index) }));
    return { nodes: this.#asked };
  }

  /**
   * Takes the answer to the last request.
   * @returns false when the answer names nodes that were not asked about, or leaves everything out
   */
  absorb(reply: CompareReply): boolean {
    if (this.#asked.length > 0 && reply.leftOut.length >= this.#asked.length) return false;
    const asked = new Set(this.#asked.map((node) => node.level * LEVEL_STRIDE + node.index));
    for (const position of reply.leftOut) {
      const node = this.#asked[position];
      if (node === undefined) return false;
      this.#pending.push({ level: node.level, index: node.index });
    }
    for (const { level, index, children } of reply.nodes) {
      if (level >= LEAF_LEVEL || children.length !== CHILDREN_BYTES) return false;
      if (!asked.has((level - 1) * LEVEL_STRIDE + Math.floor(index / TREE_ARITY))) return false;
      this.#push(level, index, children);
    }
    this.#asked = [];
    return reply.buckets.every(({ bucket }) =>
      asked.has((LEAF_LEVEL - 1) * LEVEL_STRIDE + Math.floor(bucket / TREE_ARITY)),
    );
  }

  #push(level: number, index: number, theirs: Uint8Array): void {
    for (const child of differingChildren(this.#view.children(level, index), theirs)) {
      this.#pending.push({ level: level + 1, index: index * TREE_ARITY + child });
    }
  }
}

const LEVEL_STRIDE = 65_536;

/** Whether a request has the form a walk sends; a peer's input is checked before it is answered. */
export function isCompareRequest(request: CompareRequest): boolean {
  return (
    request.nodes.length <= WALK_MAX_NODES &&
    request.nodes.every(
      ({ level, index, children }) =>
        Number.isInteger(level) &&
        level >= 0 &&
        level < LEAF_LEVEL &&
        Number.isInteger(index) &&
        index >= 0 &&
        index < TREE_ARITY ** level &&
        children.length === CHILDREN_BYTES,
    )
  );
}

/**
 * Answers a compare request.
 * @param listBucket the entries of a bucket
 * @param maxBytes what the answer may carry; the first node is answered whatever it takes
 */
export async function answerCompare(
  view: MerkleView,
  request: CompareRequest,
  listBucket: (bucket: number) => Promise<Uint8Array>,
  maxBytes: number,
): Promise<CompareReply> {
  const nodes: WalkNode[] = [];
  const buckets: BucketListing[] = [];
  const leftOut: number[] = [];
  let bytes = 0;
  for (const [position, asked] of request.nodes.entries()) {
    if (bytes >= maxBytes) {
      leftOut.push(position);
      continue;
    }
    for (const child of differingChildren(view.children(asked.level, asked.index), asked.children)) {
      const level = asked.level + 1;
      const index = asked.index * TREE_ARITY + child;
      if (level === LEAF_LEVEL) {
        const entries = await listBucket(index);
        buckets.push({ bucket: index, entries });
        bytes += entries.length;
      } else {
        nodes.push({ level, index, children: view.children(level, index) });
        bytes += CHILDREN_BYTES;
      }
    }
  }
  return { nodes, buckets, leftOut };
}

function differingChildren(ours: Uint8Array, theirs: Uint8Array): number[] {
  const differing: number[] = [];
  for (let child = 0; child < TREE_ARITY; child++) {
    for (let at = child * WALK_HASH_BYTES; at < (child + 1) * WALK_HASH_BYTES; at++) {
      if (ours[at] !== theirs[at]) {
        differing.push(child);
        break;
      }
    }
  }
  return differing;
}
