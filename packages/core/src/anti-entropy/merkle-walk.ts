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
 * Bounds: a request names at most {@link WALK_MAX_NODES} nodes; every answer settles at least one of them and a
 * settled node is never asked about again, so a walk ends after at most {@link WALK_MAX_REQUESTS} requests,
 * whatever the peer answers, and remembers at most as many nodes. The responder answers within its own budget of
 * bytes and of time, and lists what it left out, which is asked again.
 */
import { ahead } from "../ahead.ts";
import { BUCKET_ENTRY_BYTES } from "./bucket-entries.ts";

/** Hashes are compared by their first 8 bytes below the root; the root is compared whole. */
export const WALK_HASH_BYTES = 8;
export const TREE_ARITY = 16;
/** Levels count from the root, 0; the buckets' leaves are level 4. */
export const TREE_DEPTH = 4;
const LEAF_LEVEL: number = TREE_DEPTH;
const CHILDREN_BYTES: number = TREE_ARITY * WALK_HASH_BYTES;
const LEVEL_STRIDE = 65_536;

/** Nodes in a compare request: 256 KiB of hashes at most. */
export const WALK_MAX_NODES = 2048;

/** Nodes whose buckets the responder reads ahead of the one it answers. */
const NODES_AHEAD = 4;

/** The nodes of levels 1 and 3, those a walk asks about: every answer settles at least one of them. */
export const WALK_MAX_REQUESTS: number = TREE_ARITY + TREE_ARITY ** 3;

/** What a node or a bucket is taken to cost in a message beside its hashes or entries: its place and two headers. */
export const WALK_FRAMING_BYTES = 10;

/** The store's tree as the walk sees it. It may change between calls. */
export interface MerkleView {
  /**
   * The 16 children's hashes of a node at levels 0 to 3, each cut to 8 bytes: 128 bytes that do not change
   * when the tree does.
   */
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
  /** The nodes of the open request; empty when none is open. */
  #asked: readonly WalkNode[] = [];
  /** Nodes in the next request: twice what the last answer settled, where it left some out. */
  #mostNodes = WALK_MAX_NODES;

  /**
   * @param rootChildren the peer's level 1 hashes, for which {@link isChildHashes} holds
   * @throws RangeError when it does not
   */
  constructor(view: MerkleView, rootChildren: Uint8Array) {
    if (!isChildHashes(rootChildren)) {
      throw new RangeError(`${rootChildren.length} bytes are not the hashes of ${TREE_ARITY} children`);
    }
    this.#view = view;
    this.#push(0, 0, rootChildren);
  }

  /**
   * The next request, or undefined when nothing is left to compare. One request is open at a time.
   * @throws Error while a request is open: taking it for answered would end the walk too early
   */
  next(): CompareRequest | undefined {
    if (this.#asked.length > 0) throw new Error("the walk's last request is still open");
    if (this.#pending.length === 0) return undefined;
    this.#asked = this.#pending
      .splice(-this.#mostNodes)
      .map(({ level, index }) => ({ level, index, children: this.#view.children(level, index) }));
    return { nodes: this.#asked };
  }

  /**
   * Takes the answer to the open request.
   * @returns false, with nothing changed, when it is no answer to that request: it names what was not asked
   * about or names it twice, settles nothing, or carries bytes of a wrong length. The exchange has to end then.
   */
  absorb(reply: CompareReply): boolean {
    const asked = this.#asked;
    if (!answers(reply, asked)) return false;
    this.#asked = [];
    const isCutShort = reply.leftOut.length > 0;
    const settled = asked.length - reply.leftOut.length;
    this.#mostNodes = Math.min(WALK_MAX_NODES, 2 * (isCutShort ? settled : this.#mostNodes));
    for (const position of reply.leftOut) {
      const node = asked[position];
      if (node !== undefined) this.#pending.push({ level: node.level, index: node.index });
    }
    for (const { level, index, children } of reply.nodes) this.#push(level, index, children);
    return true;
  }

  #push(level: number, index: number, theirs: Uint8Array): void {
    for (const child of differingChildren(this.#view.children(level, index), theirs)) {
      this.#pending.push({ level: level + 1, index: index * TREE_ARITY + child });
    }
  }
}

/** Whether the bytes have the length of a node's child hashes. */
export function isChildHashes(bytes: Uint8Array): boolean {
  return bytes.length === CHILDREN_BYTES;
}

/**
 * Whether a reply answers the request: it settles at least one node, and speaks of children of settled nodes
 * only, of each once. A child of a node that was left out would come back with the next answer, without end.
 */
function answers(reply: CompareReply, asked: readonly WalkNode[]): boolean {
  const settled = settledNodes(asked, reply.leftOut);
  if (settled === undefined || reply.nodes.length + reply.buckets.length > settled.size * TREE_ARITY)
    return false;
  const named = new Set<number>();
  const isNews = (level: number, index: number): boolean => {
    if (!isPlace(level, index) || named.has(placeOf(level, index))) return false;
    named.add(placeOf(level, index));
    return settled.has(placeOf(level - 1, Math.floor(index / TREE_ARITY)));
  };
  return (
    reply.nodes.every(
      ({ level, index, children }) => level < LEAF_LEVEL && isNews(level, index) && isChildHashes(children),
    ) &&
    reply.buckets.every(
      ({ bucket, entries }) => isNews(LEAF_LEVEL, bucket) && entries.length % BUCKET_ENTRY_BYTES === 0,
    )
  );
}

/** The places of the nodes that were not left out; undefined when there are none or the positions do not rise. */
function settledNodes(asked: readonly WalkNode[], leftOut: readonly number[]): Set<number> | undefined {
  if (leftOut.length >= asked.length) return undefined;
  const settled = new Set(asked.map(({ level, index }) => placeOf(level, index)));
  let last = -1;
  for (const position of leftOut) {
    const node = asked[position];
    if (node === undefined || position <= last) return undefined;
    settled.delete(placeOf(node.level, node.index));
    last = position;
  }
  return settled;
}

/** Whether the tree has a node there, leaves included. */
function isPlace(level: number, index: number): boolean {
  return (
    Number.isInteger(level) &&
    level >= 0 &&
    level <= LEAF_LEVEL &&
    Number.isInteger(index) &&
    index >= 0 &&
    index < TREE_ARITY ** level
  );
}

function placeOf(level: number, index: number): number {
  return level * LEVEL_STRIDE + index;
}

/**
 * Whether a request has the form a walk sends; a peer's input is checked before it is answered. No node comes
 * twice, so that a small request cannot make the responder read the same buckets again and again.
 */
export function isCompareRequest(request: CompareRequest): boolean {
  if (request.nodes.length === 0 || request.nodes.length > WALK_MAX_NODES) return false;
  const places = new Set<number>();
  for (const { level, index, children } of request.nodes) {
    if (!isPlace(level, index) || level === LEAF_LEVEL || !isChildHashes(children)) return false;
    places.add(placeOf(level, index));
  }
  return places.size === request.nodes.length;
}

/** What an answer may take; the first node is answered whatever it takes. */
export interface AnswerBudget {
  /** Framing included. */
  readonly maxBytes: number;
  /** Whether the time for it is over. */
  isOver(): boolean;
}

/**
 * Answers a compare request.
 * @param listBucket the entries of a bucket
 */
export async function answerCompare(
  view: MerkleView,
  request: CompareRequest,
  listBucket: (bucket: number) => Promise<Uint8Array>,
  budget: AnswerBudget,
): Promise<CompareReply> {
  const nodes: WalkNode[] = [];
  const buckets: BucketListing[] = [];
  let bytes = 0;
  let answered = 0;
  for await (const answer of ahead(request.nodes, NODES_AHEAD, (asked) =>
    answerNode(view, asked, listBucket),
  )) {
    if (answered > 0 && bytes + answer.bytes > budget.maxBytes) break;
    nodes.push(...answer.nodes);
    buckets.push(...answer.buckets);
    bytes += answer.bytes;
    answered += 1;
    if (budget.isOver()) break;
  }
  return { nodes, buckets, leftOut: positionsFrom(answered, request) };
}

/** What is to be said about one node, its buckets read together. */
async function answerNode(
  view: MerkleView,
  { level, index, children }: WalkNode,
  listBucket: (bucket: number) => Promise<Uint8Array>,
): Promise<{ nodes: WalkNode[]; buckets: BucketListing[]; bytes: number }> {
  const below = differingChildren(view.children(level, index), children).map(
    (child) => index * TREE_ARITY + child,
  );
  if (level + 1 < LEAF_LEVEL) {
    const nodes = below.map((at) => ({
      level: level + 1,
      index: at,
      children: view.children(level + 1, at),
    }));
    return { nodes, buckets: [], bytes: nodes.length * (WALK_FRAMING_BYTES + CHILDREN_BYTES) };
  }
  const buckets = await Promise.all(
    below.map(async (bucket) => ({ bucket, entries: await listBucket(bucket) })),
  );
  const bytes = buckets.reduce((sum, { entries }) => sum + WALK_FRAMING_BYTES + entries.length, 0);
  return { nodes: [], buckets, bytes };
}

function positionsFrom(first: number, request: CompareRequest): number[] {
  return Array.from({ length: request.nodes.length - first }, (_, offset) => first + offset);
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
