/** A whole Merkle tree in memory, and two replicas that reconcile over it: what the walk's tests run against. */
import { hash } from "node:crypto";
import { BUCKET_COUNT, DIGEST_BYTES, type Fingerprints } from "../digest.ts";
import {
  type BucketEntry,
  compareBucket,
  decodeBucketEntries,
  encodeBucketEntries,
} from "./bucket-entries.ts";
import {
  answerCompare,
  type CompareReply,
  type CompareRequest,
  type MerkleView,
  MerkleWalk,
  TREE_ARITY,
  TREE_DEPTH,
  WALK_FRAMING_BYTES,
  WALK_HASH_BYTES,
} from "./merkle-walk.ts";

const INNER_DOMAIN = 0x04;

/** Hashes of 32 bytes, level by level; the root is level 0. */
export class FullTree implements MerkleView {
  readonly #levels: Uint8Array[];

  private constructor(levels: Uint8Array[]) {
    this.#levels = levels;
  }

  static over(fingerprints: Fingerprints): FullTree {
    const levels = Array.from(
      { length: TREE_DEPTH + 1 },
      (_, level) => new Uint8Array(TREE_ARITY ** level * DIGEST_BYTES),
    );
    const tree = new FullTree(levels);
    tree.update(
      fingerprints,
      Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucket),
    );
    return tree;
  }

  clone(): FullTree {
    return new FullTree(this.#levels.map((level) => level.slice()));
  }

  get root(): string {
    return Buffer.from(this.#level(0)).toString("hex");
  }

  update(fingerprints: Fingerprints, buckets: Iterable<number>): void {
    let dirty = new Set(buckets);
    for (const bucket of dirty) {
      this.#level(TREE_DEPTH).set(sha256(fingerprints.leafBytes(bucket)), bucket * DIGEST_BYTES);
    }
    const input = new Uint8Array(1 + TREE_ARITY * DIGEST_BYTES);
    input[0] = INNER_DOMAIN;
    for (let level = TREE_DEPTH - 1; level >= 0; level--) {
      dirty = new Set([...dirty].map((index) => Math.floor(index / TREE_ARITY)));
      for (const index of dirty) {
        input.set(this.#childrenOf(level, index), 1);
        this.#level(level).set(sha256(input), index * DIGEST_BYTES);
      }
    }
  }

  children(level: number, index: number): Uint8Array {
    const whole = this.#childrenOf(level, index);
    if (whole.length !== TREE_ARITY * DIGEST_BYTES) throw new RangeError(`no node ${level}/${index}`);
    const cut = new Uint8Array(TREE_ARITY * WALK_HASH_BYTES);
    for (let child = 0; child < TREE_ARITY; child++) {
      const at = child * DIGEST_BYTES;
      cut.set(whole.subarray(at, at + WALK_HASH_BYTES), child * WALK_HASH_BYTES);
    }
    return cut;
  }

  #childrenOf(level: number, index: number): Uint8Array {
    const start = index * TREE_ARITY * DIGEST_BYTES;
    return this.#level(level + 1).subarray(start, start + TREE_ARITY * DIGEST_BYTES);
  }

  #level(level: number): Uint8Array {
    const hashes = this.#levels[level];
    if (hashes === undefined) throw new RangeError(`no level ${level}`);
    return hashes;
  }
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

export interface WalkedReplica {
  readonly tree: FullTree;
  list(bucket: number): readonly BucketEntry[];
}

export interface Reconciliation {
  readonly push: readonly BucketEntry[];
  readonly want: readonly string[];
  /** Until both sides know what to send: the last one carries the wants. */
  readonly roundTrips: number;
  readonly bytes: number;
  readonly replies: readonly CompareReply[];
  /** Nodes in each request. */
  readonly asked: readonly number[];
}

/** Time, floor and the vector of two members, a table hash: what a start carries each way beside the root. */
const OFFER_BYTES = 90;
const ROOT_BYTES = 32;
const WANTED_BYTES = 8;
const NOTHING = { push: [], want: [], replies: [], asked: [] };

/**
 * @param between called after every compare, to change the replicas under way
 * @param isOver whether the time of an answer is over, asked after each node
 */
export async function reconcile(
  asker: WalkedReplica,
  answerer: WalkedReplica,
  maxBytes: number,
  between: () => void = () => undefined,
  isOver: () => boolean = () => false,
): Promise<Reconciliation> {
  let bytes = 2 * (WALK_FRAMING_BYTES + OFFER_BYTES) + ROOT_BYTES;
  if (asker.tree.root === answerer.tree.root) return { ...NOTHING, roundTrips: 1, bytes };
  const rootChildren = answerer.tree.children(0, 0);
  bytes += rootChildren.length;
  const walk = new MerkleWalk(asker.tree, rootChildren);
  const push: BucketEntry[] = [];
  const want: string[] = [];
  const replies: CompareReply[] = [];
  const asked: number[] = [];
  const list = (bucket: number) => Promise.resolve(encodeBucketEntries(answerer.list(bucket)));
  for (let request = walk.next(); request !== undefined; request = walk.next()) {
    between();
    const reply = await answerCompare(answerer.tree, request, list, { maxBytes, isOver });
    if (!walk.absorb(reply)) throw new Error("an honest answer was refused");
    replies.push(reply);
    asked.push(request.nodes.length);
    bytes += requestBytes(request) + replyBytes(reply);
    for (const { bucket, entries } of reply.buckets) {
      const ours = asker.list(bucket);
      const plan = compareBucket(ours, decodeBucketEntries(entries) ?? []);
      push.push(...plan.push.flatMap((position) => ours[position] ?? []));
      want.push(...plan.want);
    }
    between();
  }
  bytes += want.length * WANTED_BYTES;
  return { push, want, replies, asked, roundTrips: replies.length + 2, bytes };
}

function requestBytes(request: CompareRequest): number {
  return request.nodes.reduce((sum, { children }) => sum + WALK_FRAMING_BYTES + children.length, 0);
}

export function replyBytes({ nodes, buckets, leftOut }: CompareReply): number {
  const lists = buckets.reduce((sum, { entries }) => sum + WALK_FRAMING_BYTES + entries.length, 0);
  return requestBytes({ nodes }) + lists + leftOut.length * 2;
}
