/**
 * The laws of records over legitimate histories of one key: random interleavings of writes with no, fresh and
 * stale contexts at several nodes, reads, and merges of present and of old states. Beside each record runs a
 * reference that keeps plain sets of versions instead of vectors; the record must say exactly what it says.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HybridLogicalClock } from "./clock.ts";
import { type ClientContext, clientContextTime, covers, EMPTY_CLIENT_CONTEXT } from "./context.ts";
import {
  applyWrite,
  boundSiblings,
  contextAfterRead,
  contextAfterWrite,
  type KeyRecord,
  latestTime,
  mergeRecords,
  winner,
} from "./record.ts";
import { compareVersions, formatVersion, type Version } from "./version.ts";

const NODES = 4;
const CLIENTS = 3;

const index = (count: number) => fc.nat(count - 1);
const step = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    node: index(NODES),
    client: index(CLIENTS),
    context: fc.constantFrom("none" as const, "own" as const, "empty" as const),
  }),
  fc.record({ kind: fc.constant("read" as const), node: index(NODES), client: index(CLIENTS) }),
  // An old state arrives too: mail may be delayed. 0 is the present one.
  fc.record({ kind: fc.constant("merge" as const), to: index(NODES), from: index(NODES), age: fc.nat(6) }),
  fc.record({ kind: fc.constant("time passes" as const), ms: fc.nat(3) }),
);
const steps = fc.array(step, { maxLength: 40 });
type Step = ReturnType<typeof step.generate>["value"];

/** What a record stands for: every version it has ever merged, and those of them that no write removed. */
interface Reference {
  readonly seen: ReadonlySet<string>;
  readonly live: ReadonlySet<string>;
}

interface State {
  readonly record: KeyRecord;
  readonly reference: Reference;
}

interface Client {
  readonly context: ClientContext;
  /** The versions that the context's vector stands for. */
  readonly seen: ReadonlySet<string>;
}

const nothing: ReadonlySet<string> = new Set();
const without = (from: ReadonlySet<string>, gone: ReadonlySet<string>) =>
  new Set([...from].filter((version) => !gone.has(version)));
const union = (...sets: readonly ReadonlySet<string>[]) => new Set(sets.flatMap((set) => [...set]));

function mergeReferences(a: Reference, b: Reference): Reference {
  const both = [...a.live].filter((version) => b.live.has(version));
  return {
    seen: union(a.seen, b.seen),
    live: union(new Set(both), without(a.live, b.seen), without(b.live, a.seen)),
  };
}

class History {
  readonly states: State[] = [];
  readonly issued: Version[] = [];
  readonly #maxSiblings: number;
  readonly #nodes: { clock: HybridLogicalClock; states: State[] }[];
  readonly #clients: Client[];
  #nowMs = 1_750_000_000_000;

  constructor(maxSiblings: number) {
    this.#maxSiblings = maxSiblings;
    this.#nodes = Array.from({ length: NODES }, () => ({
      clock: new HybridLogicalClock({ durableBound: 0, maxDriftMs: 10_000 }),
      states: [],
    }));
    this.#clients = Array.from({ length: CLIENTS }, () => ({ context: EMPTY_CLIENT_CONTEXT, seen: nothing }));
  }

  run(all: readonly Step[]): this {
    for (const action of all) {
      if (action.kind === "write") this.#write(action.node, action.client, action.context);
      else if (action.kind === "read") this.#read(action.node, action.client);
      else if (action.kind === "merge") this.#merge(action.to, action.from, action.age);
      else this.#nowMs += action.ms;
    }
    return this;
  }

  #write(at: number, by: number, wanted: "none" | "own" | "empty"): void {
    const node = this.#nodes[at];
    const client = wanted === "empty" ? { context: EMPTY_CLIENT_CONTEXT, seen: nothing } : this.#clients[by];
    if (node === undefined || client === undefined) throw new RangeError("no such node or client");
    const current = node.states.at(-1);
    const seen = wanted === "none" ? undefined : client.context;
    if (seen !== undefined) expect(node.clock.observe(clientContextTime(seen), this.#nowMs)).toBeUndefined();
    const version = { time: node.clock.tick(this.#nowMs), node: `n${at}~0000000000` };
    const id = formatVersion(version);
    const dot = seen?.dot === undefined ? nothing : new Set([formatVersion(seen.dot)]);
    const held = current?.reference ?? { seen: nothing, live: nothing };
    const reference: Reference =
      seen === undefined
        ? { seen: union(held.seen, new Set([id])), live: new Set([id]) }
        : {
            seen: union(held.seen, client.seen, new Set([id])),
            live: union(without(held.live, union(client.seen, dot)), new Set([id])),
          };
    const record = applyWrite(current?.record, { kind: "tombstone", version }, seen);
    const after = this.#enter(at, { record, reference });
    this.issued.push(version);
    const context = contextAfterWrite(after.record, seen);
    const whole = context.vector === after.record.context;
    this.#clients[by] = { context, seen: whole ? after.reference.seen : client.seen };
  }

  #read(at: number, by: number): void {
    const current = this.#nodes[at]?.states.at(-1);
    if (current === undefined) return;
    this.#clients[by] = { context: contextAfterRead(current.record), seen: current.reference.seen };
  }

  #merge(to: number, from: number, age: number): void {
    const target = this.#nodes[to];
    const source = this.#nodes[from]?.states.at(-1 - age);
    if (target === undefined || source === undefined) return;
    expect(target.clock.observe(latestTime(source.record), this.#nowMs)).toBeUndefined();
    const current = target.states.at(-1);
    const merged =
      current === undefined
        ? source
        : {
            record: mergeRecords(current.record, source.record),
            reference: mergeReferences(current.reference, source.reference),
          };
    this.#enter(to, merged);
  }

  #enter(at: number, { record: unbounded, reference }: State): State {
    const { record, dropped } = boundSiblings(unbounded, this.#maxSiblings);
    const gone = new Set(dropped.map((sibling) => formatVersion(sibling.version)));
    const state = { record, reference: { seen: reference.seen, live: without(reference.live, gone) } };
    this.states.push(state);
    this.#nodes[at]?.states.push(state);
    return state;
  }
}

function siblingIds(record: KeyRecord): string[] {
  return record.siblings.map((sibling) => formatVersion(sibling.version));
}

/** One value for records that say the same, whatever the order of their maps. */
function canonical(record: KeyRecord): unknown {
  return { context: new Map([...record.context].sort()), siblings: record.siblings };
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe.each([
  ["as many siblings as there are", Number.MAX_SAFE_INTEGER],
  ["at most two siblings", 2],
  ["the winner alone", 1],
])("records of a history that keeps %s", (_, maxSiblings) => {
  const history = steps.map((all) => new History(maxSiblings).run(all));
  const runs = { numRuns: 1000 };

  test("hold exactly the versions that no write has removed, and cover exactly those they have merged", () => {
    fc.assert(
      fc.property(history, ({ states, issued }) => {
        for (const { record, reference } of states) {
          expect(new Set(siblingIds(record))).toEqual(reference.live);
          for (const version of issued) {
            expect(covers(record.context, version)).toBe(reference.seen.has(formatVersion(version)));
          }
        }
      }),
      runs,
    );
  });

  test("are sorted newest first, none twice, never more than the limit, and cover their own siblings", () => {
    fc.assert(
      fc.property(history, ({ states }) => {
        for (const { record } of states) {
          const versions = record.siblings.map((sibling) => sibling.version);
          expect(versions.length).toBeLessThanOrEqual(maxSiblings);
          for (const [i, version] of versions.entries()) {
            expect(covers(record.context, version)).toBe(true);
            const next = versions[i + 1];
            if (next !== undefined) expect(compareVersions(version, next)).toBeGreaterThan(0);
          }
        }
      }),
      runs,
    );
  });

  test("merge commutatively and idempotently", () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), ({ states }, i, j) => {
        const a = states[i % states.length]?.record;
        const b = states[j % states.length]?.record;
        if (a === undefined || b === undefined) return;
        const merged = mergeRecords(a, b);
        expect(canonical(mergeRecords(b, a))).toEqual(canonical(merged));
        expect(mergeRecords(a, a)).toBe(a);
        expect(canonical(mergeRecords(merged, a))).toEqual(canonical(merged));
        expect(canonical(mergeRecords(merged, b))).toEqual(canonical(merged));
      }),
      runs,
    );
  });

  test("come to the same winner in whatever order they arrive", () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat(), { minLength: 2, maxLength: 4 }), ({ states }, picks) => {
        if (states.length === 0) return;
        const records = picks.flatMap((pick) => states[pick % states.length]?.record ?? []);
        const winners = permutations(records).map((order) => {
          const merged = order.reduce((a, b) => boundSiblings(mergeRecords(a, b), maxSiblings).record);
          return formatVersion(winner(merged).version);
        });
        expect(new Set(winners).size).toBe(1);
      }),
      runs,
    );
  });

  test("are all the same once every pair of nodes has merged", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const ring = Array.from({ length: NODES }, (_, i) => ({
          kind: "merge" as const,
          to: i,
          from: (i + 1) % NODES,
          age: 0,
        }));
        const rounds = Array.from({ length: NODES }, () => ring).flat();
        const { states } = new History(maxSiblings).run([...all, ...rounds]);
        const last = states.slice(-NODES).map(({ record }) => canonical(record));
        for (const other of last) expect(other).toEqual(last[0]);
      }),
      runs,
    );
  });
});

test("records merge associatively where no limit cuts siblings off", () => {
  const history = steps.map((all) => new History(Number.MAX_SAFE_INTEGER).run(all));
  fc.assert(
    fc.property(history, fc.nat(), fc.nat(), fc.nat(), ({ states }, i, j, k) => {
      const [a, b, c] = [i, j, k].map((pick) => states[pick % states.length]?.record);
      if (a === undefined || b === undefined || c === undefined) return;
      expect(canonical(mergeRecords(mergeRecords(a, b), c))).toEqual(
        canonical(mergeRecords(a, mergeRecords(b, c))),
      );
    }),
    { numRuns: 2000 },
  );
});
