import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BUCKET_ENTRY_BYTES } from "./bucket-entries.ts";
import {
  answerCompare,
  type CompareReply,
  isCompareRequest,
  type MerkleView,
  MerkleWalk,
  TREE_ARITY,
  WALK_HASH_BYTES,
  WALK_MAX_NODES,
  WALK_MAX_REQUESTS,
  type WalkNode,
} from "./merkle-walk.ts";

const BYTES = TREE_ARITY * WALK_HASH_BYTES;
const OURS = new Uint8Array(BYTES);
const ALL_DIFFER = new Uint8Array(BYTES).fill(1);
/** Differs in the first child only. */
const ONE_DIFFERS = Uint8Array.from(ALL_DIFFER, (_, i) => (i === 0 ? 1 : 0));

/** A view that fails on what a walk may never look up. */
const view: MerkleView = {
  children(level, index) {
    if (![0, 1, 2, 3].includes(level) || !Number.isInteger(index) || index < 0 || index >= 16 ** level) {
      throw new RangeError(`no node ${level}/${index}`);
    }
    return OURS;
  },
};

const reply = (part: Partial<CompareReply>): CompareReply => ({
  nodes: [],
  buckets: [],
  leftOut: [],
  ...part,
});
const node = (level: number, index: number, children = ALL_DIFFER): WalkNode => ({ level, index, children });
const nodesUnder = ({ level, index }: WalkNode): WalkNode[] =>
  Array.from({ length: TREE_ARITY }, (_, child) => node(level + 1, index * TREE_ARITY + child));

/** A walk whose open request names the 16 nodes of level 1, or the 256 of level 3 below the first of them. */
function walkAt(level: 1 | 3): { walk: MerkleWalk; asked: readonly WalkNode[] } {
  const walk = new MerkleWalk(view, level === 1 ? ALL_DIFFER : ONE_DIFFERS);
  const first = walk.next()?.nodes ?? [];
  if (level === 1) return { walk, asked: first };
  expect(walk.absorb(reply({ nodes: first.flatMap(nodesUnder) }))).toBe(true);
  return { walk, asked: walk.next()?.nodes ?? [] };
}

describe("an answer is refused when it", () => {
  const refused = (level: 1 | 3, part: Partial<CompareReply>) => {
    const { walk, asked } = walkAt(level);
    expect(asked).toHaveLength(level === 1 ? 16 : 256);
    expect(walk.absorb(reply(part))).toBe(false);
    // Nothing was changed: the honest answer still counts, and the walk is not over before it.
    expect(() => walk.next()).toThrow("still open");
    expect(walk.absorb(reply({}))).toBe(true);
    expect(walk.next()).toBeUndefined();
  };
  const listing = (bucket: number, length = BUCKET_ENTRY_BYTES) => ({
    bucket,
    entries: new Uint8Array(length),
  });

  test.each<[string, 1 | 3, Partial<CompareReply>]>([
    ["names a node whose parent was not asked about", 3, { nodes: [node(2, 17)] }],
    ["names a node two levels down", 1, { nodes: [node(3, 0)] }],
    ["names a node that was asked about", 1, { nodes: [node(1, 0)] }],
    ["names the root", 1, { nodes: [node(0, 0)] }],
    ["names a leaf as a node", 3, { nodes: [node(4, 0)] }],
    ["names an index that overflows into another level", 1, { nodes: [node(1, 65_536 * 16)] }],
    ["names a negative index", 1, { nodes: [node(2, -1)] }],
    ["names a fractional index", 1, { nodes: [node(2, 0.5)] }],
    ["names a fractional level", 1, { nodes: [node(1.5, 524_288)] }],
    ["names what is no number", 1, { nodes: [node(2, Number.NaN)] }],
    ["names a node twice", 1, { nodes: [node(2, 3), node(2, 3)] }],
    ["carries too few hashes", 1, { nodes: [node(2, 3, new Uint8Array(BYTES - 1))] }],
    ["carries too many hashes", 1, { nodes: [node(2, 3, new Uint8Array(BYTES + 8))] }],
    ["lists a bucket whose parent was not asked about", 3, { buckets: [listing(4096)] }],
    ["lists a bucket at level 2", 1, { buckets: [listing(0)] }],
    ["lists a negative bucket", 3, { buckets: [listing(-65_520)] }],
    ["lists a bucket beyond the last", 3, { buckets: [listing(65_536)] }],
    ["lists a bucket twice", 3, { buckets: [listing(5), listing(5)] }],
    ["lists a part of an entry", 3, { buckets: [listing(5, BUCKET_ENTRY_BYTES + 1)] }],
    ["leaves everything out", 1, { leftOut: Array.from({ length: 16 }, (_, i) => i) }],
    ["leaves out a position beyond the request", 1, { leftOut: [16] }],
    ["leaves out a negative position", 1, { leftOut: [-1] }],
    ["leaves out a fractional position", 1, { leftOut: [0.5] }],
    ["leaves out a position twice", 1, { leftOut: [3, 3] }],
    ["leaves out positions in disorder", 1, { leftOut: [4, 3] }],
    ["leaves out a node and speaks of its children", 1, { leftOut: [2], nodes: [node(2, 33)] }],
    ["leaves out a node and lists its buckets", 3, { leftOut: [2], buckets: [listing(33)] }],
  ])("%s", (_, level, part) => refused(level, part));

  test("is huge, before any of its items is looked at", () => {
    let looks = 0;
    const looked: WalkNode = {
      get level() {
        looks += 1;
        return 2;
      },
      index: 0,
      children: ALL_DIFFER,
    };
    refused(1, { nodes: new Array<WalkNode>(1_000_000).fill(looked) });
    expect(looks).toBe(0);
  });

  test("answers nothing that is open", () => {
    const walk = new MerkleWalk(view, ALL_DIFFER);
    expect(walk.absorb(reply({}))).toBe(false);
    expect(walk.next()?.nodes).toHaveLength(16);
  });
});

test("a start with hashes of a wrong length is an error, not an early end", () => {
  for (const length of [0, BYTES - 1, BYTES + 1]) {
    expect(() => new MerkleWalk(view, new Uint8Array(length))).toThrow(RangeError);
  }
});

describe("whatever a peer answers", () => {
  test("the walk ends within its bound, though every node differs and all but one are left out", () => {
    const walk = new MerkleWalk(view, ALL_DIFFER);
    let requests = 0;
    for (let request = walk.next(); request !== undefined; request = walk.next()) {
      requests += 1;
      const { nodes } = request;
      const settled = nodes.length - 1;
      const last = nodes[settled];
      const below = last === undefined || last.level === 3 ? [] : nodesUnder(last);
      expect(walk.absorb(reply({ leftOut: [...nodes.keys()].slice(0, settled), nodes: below }))).toBe(true);
    }
    expect(requests).toBe(WALK_MAX_REQUESTS);
  });

  test("no node is asked about after it was settled, and no request is larger than its limit", () => {
    const answers = fc.infiniteStream(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()));
    fc.assert(
      fc.property(answers, (stream) => {
        const walk = new MerkleWalk(view, ALL_DIFFER);
        const settled = new Set<number>();
        for (let request = walk.next(); request !== undefined; request = walk.next()) {
          expect(isCompareRequest(request)).toBe(true);
          const { value } = stream.next();
          const [share, onlyFirst] = value ?? [0, false];
          const left = Math.floor(share * (request.nodes.length - 1));
          const answered = request.nodes.slice(left);
          const places = answered.map(({ level, index }) => level * 65_536 + index);
          expect(places.filter((place) => settled.has(place))).toEqual([]);
          for (const place of places) settled.add(place);
          const below = answered.flatMap((asked) => (asked.level === 3 ? [] : nodesUnder(asked)));
          const nodes = onlyFirst ? below.slice(0, 1) : below;
          expect(walk.absorb(reply({ leftOut: [...request.nodes.keys()].slice(0, left), nodes }))).toBe(true);
        }
      }),
      { numRuns: 10 },
    );
  });
});

describe("a request is refused when it", () => {
  const valid = { nodes: [node(1, 0), node(3, 4095)] };

  test("is none of these, it passes", () => {
    expect(isCompareRequest(valid)).toBe(true);
    const most = Array.from({ length: WALK_MAX_NODES }, (_, index) => node(3, index));
    expect(isCompareRequest({ nodes: most })).toBe(true);
  });

  test.each<[string, readonly WalkNode[]]>([
    ["is empty", []],
    ["names more nodes than a walk does", Array.from({ length: WALK_MAX_NODES + 1 }, (_, i) => node(3, i))],
    ["names a node twice", [node(2, 9), node(2, 9)]],
    ["names a leaf", [node(4, 0)]],
    ["names a negative level", [node(-1, 0)]],
    ["names a fractional level", [node(1.5, 0)]],
    ["names an index beyond its level", [node(1, 16)]],
    ["names a negative index", [node(2, -1)]],
    ["names a fractional index", [node(2, 0.5)]],
    ["names what is no number", [node(Number.NaN, 0)]],
    ["carries hashes of a wrong length", [node(2, 9, new Uint8Array(BYTES - 1))]],
  ])("%s", (_, nodes) => {
    expect(isCompareRequest({ nodes })).toBe(false);
  });
});

test.each([
  ["bytes", { maxBytes: 40_000, isOver: () => false }],
  ["time", { maxBytes: 1 << 20, isOver: () => true }],
])("an answer reads no more buckets than those of four nodes once its %s are spent", async (_, budget) => {
  let read = 0;
  const listBucket = () => {
    read += 1;
    return Promise.resolve(new Uint8Array(100 * BUCKET_ENTRY_BYTES));
  };
  const nodes = Array.from({ length: WALK_MAX_NODES }, (_, index) => node(3, index));
  const { buckets, leftOut } = await answerCompare(view, { nodes }, listBucket, budget);
  expect(buckets).toHaveLength(TREE_ARITY);
  expect(leftOut).toHaveLength(WALK_MAX_NODES - 1);
  expect(read).toBeLessThanOrEqual((1 + 4) * TREE_ARITY);
});
