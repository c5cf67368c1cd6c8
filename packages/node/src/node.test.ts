import {
  type ClientContext,
  decodeUtf8,
  EMPTY_CLIENT_CONTEXT,
  HybridLogicalClock,
  hlcFromMs,
  hlcToMs,
  type KeyRecord,
  type Version,
} from "@hearsay/core";
import { beforeEach, describe, expect, test } from "vitest";
import type { Content } from "./content.ts";
import { CONTEXT_GROWTH_MAX } from "./known-context.ts";
import { type Batch, MemoryStore } from "./memory-store.contract.ts";
import { Node, type NodeConfig, type Written } from "./node.ts";
import type { LogFields } from "./ports.ts";

const START_MS = 1_750_000_000_000;
const MAX_DRIFT_MS = 10_000;

function text(content: string, ttlMs: number | null = null): Content {
  return { kind: "value", bytes: new TextEncoder().encode(content), contentType: "text/plain", ttlMs };
}

function tombstoneOf(version: Version): KeyRecord {
  return { context: new Map([[version.node, version.time]]), siblings: [{ kind: "tombstone", version }] };
}

function clockBoundOf(batch: Batch | undefined): number {
  return Number(decodeUtf8(batch?.meta.get("clock") ?? new Uint8Array()));
}

describe("a node", () => {
  let store: MemoryStore;
  let node: Node;
  let nowMs: number;
  let draws = 0;
  let reported: { event: string; fields: LogFields }[];
  let counted: Map<string, number>;

  const config: NodeConfig = {
    name: "alpha",
    fallbackName: "unnamed",
    cluster: "test",
    maxWaiters: 2,
    clockMaxDriftMs: MAX_DRIFT_MS,
    conflicts: { maxSiblings: 3, policies: new Map([["cache/", "discard"]]) },
    doubt: false,
  };

  function open(
    overrides: Partial<NodeConfig> = {},
    settleDoubt: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Node> {
    const report = (event: string, fields: LogFields): void => {
      reported.push({ event, fields });
    };
    return Node.open(
      {
        clock: { nowMs: () => nowMs },
        random: { next: () => (draws++ * 0.618) % 1 },
        store,
        log: { info: report, warn: report, error: report },
        metrics: { count: (name, amount) => counted.set(name, (counted.get(name) ?? 0) + amount) },
        settleDoubt,
      },
      { ...config, ...overrides },
    );
  }

  function write(key: string, content: Content, seen?: ClientContext): Written {
    const written = node.write(key, content, seen);
    if ("code" in written) throw new Error(`refused: ${written.code}`);
    return written;
  }

  beforeEach(async () => {
    store = new MemoryStore();
    nowMs = START_MS;
    reported = [];
    counted = new Map();
    node = await open();
  });

  describe("writing", () => {
    test("shows a write to readers once it is committed, and to the next write at once", async () => {
      const written = write("k", text("1"));
      expect(node.get("k")).toBeUndefined();
      expect(node.latest("k")?.siblings[0].version).toEqual(written.version);
      await written.committed;
      expect(node.get("k")?.siblings).toEqual([
        {
          kind: "value",
          version: written.version,
          bytes: new TextEncoder().encode("1"),
          contentType: "text/plain",
          expiresAtMs: null,
        },
      ]);
    });

    test("counts the time to live from now", async () => {
      await write("k", text("1", 5_000)).committed;
      expect(node.get("k")?.siblings[0]).toMatchObject({ expiresAtMs: START_MS + 5_000 });
    });

    test("puts what is written in one turn into one atomic batch, each write upon the one before", async () => {
      const all = [write("a", text("1")), write("a", text("2")), write("b", { kind: "tombstone" })];
      await Promise.all(all.map(({ committed }) => committed));
      const [, batch, ...more] = store.batches;
      expect(more).toEqual([]);
      expect([...(batch?.records.keys() ?? [])]).toEqual(["a", "b"]);
      expect(batch?.records.get("a")?.siblings.map(({ version }) => version)).toEqual([all[1]?.version]);
    });

    test("fails every write of a batch that the store refuses, and shows none of them", async () => {
      store.failNext = true;
      const [a, b] = [write("a", text("1")), write("b", text("2"))];
      await expect(a.committed).rejects.toThrow("disk full");
      await expect(b.committed).rejects.toThrow("disk full");
      expect(node.get("a")).toBeUndefined();
      expect(node.get("b")).toBeUndefined();
      await write("a", text("3")).committed;
      expect(node.get("a")?.siblings).toHaveLength(1);
    });
  });

  describe("contexts", () => {
    test("without one a write replaces what is there; with one just what its reader saw", async () => {
      const first = write("k", text("1"));
      const beside = write("k", text("2"), EMPTY_CLIENT_CONTEXT);
      await beside.committed;
      expect(node.get("k")?.siblings.map(({ version }) => version)).toEqual([beside.version, first.version]);
      const after = write("k", text("3"), first.context);
      await after.committed;
      expect(node.get("k")?.siblings.map(({ version }) => version)).toEqual([after.version, beside.version]);
      await write("k", text("4")).committed;
      expect(node.get("k")?.siblings).toHaveLength(1);
    });

    test("the version of a write exceeds everything in the context it came with", () => {
      const ahead = { time: hlcFromMs(START_MS + 5_000), node: "beta~0000000000" };
      const { version } = write("k", text("1"), { vector: new Map(), dot: ahead });
      expect(version.time).toBe(ahead.time + 1);
    });

    test("one beyond the drift limit is refused, and nothing has changed", async () => {
      const before = write("k", text("1"));
      await before.committed;
      const batches = store.batches.length;
      const ahead = { time: hlcFromMs(START_MS + MAX_DRIFT_MS + 1), node: "beta~0000000000" };
      expect(node.write("k", text("2"), { vector: new Map(), dot: ahead })).toEqual({
        code: "clock_drift",
        aheadMs: MAX_DRIFT_MS + 1,
        maxDriftMs: MAX_DRIFT_MS,
      });
      expect(node.observe(ahead.time)).toMatchObject({ code: "clock_drift" });
      expect(node.latest("k")?.siblings.map(({ version }) => version)).toEqual([before.version]);
      expect(store.batches).toHaveLength(batches);
      expect(write("k", text("3")).version.time).toBe(before.version.time + 1);
    });

    test("a deletion among the siblings that fall off is told of apart", async () => {
      const deletion = node.write("k", { kind: "tombstone" }, EMPTY_CLIENT_CONTEXT);
      for (const value of ["1", "2", "3"]) write("k", text(value), EMPTY_CLIENT_CONTEXT);
      await write("k", text("4"), EMPTY_CLIENT_CONTEXT).committed;
      expect("code" in deletion).toBe(false);
      expect(reported.map(({ fields }) => fields)).toEqual([
        { key: "k", dropped: 1, deletions: 1 },
        { key: "k", dropped: 1, deletions: 0 },
      ]);
    });

    test("siblings beyond the limit fall off counted and logged; a prefix may keep the winner alone", async () => {
      for (const value of ["1", "2", "3", "4", "5"]) write("k", text(value), EMPTY_CLIENT_CONTEXT);
      for (const value of ["1", "2"]) write("cache/k", text(value), EMPTY_CLIENT_CONTEXT);
      await write("end", text("")).committed;
      expect(node.get("k")?.siblings).toHaveLength(3);
      expect(node.get("cache/k")?.siblings).toHaveLength(1);
      expect(counted.get("hearsay_conflicts_dropped_total")).toBe(3);
      expect(reported.map(({ event, fields }) => [event, fields["key"]])).toEqual([
        ["conflicts_dropped", "k"],
        ["conflicts_dropped", "k"],
        ["conflicts_dropped", "cache/k"],
      ]);
    });
  });

  describe("the clock", () => {
    test("has its bound in the very batch of the first write that needs it, and not in every batch", async () => {
      const first = write("k", text("1"));
      await first.committed;
      expect(store.batches.at(-1)?.records.has("k")).toBe(true);
      expect(clockBoundOf(store.batches.at(-1))).toBeGreaterThanOrEqual(first.version.time);
      await write("k", text("2")).committed;
      expect(store.batches.at(-1)?.meta.has("clock")).toBe(false);
    });

    test("stores a new bound before a version beyond the old one is shown", async () => {
      for (let i = 0; i < 200; i++) {
        nowMs += 97;
        const { version, committed } = write("k", text(String(i)));
        await committed;
        expect(clockBoundOf(store.committed)).toBeGreaterThanOrEqual(version.time);
      }
    });

    test("carries the bound again with the next write when the batch it was in failed", async () => {
      store.failNext = true;
      await expect(write("k", text("1")).committed).rejects.toThrow("disk full");
      const second = write("k", text("2"));
      await second.committed;
      expect(clockBoundOf(store.committed)).toBeGreaterThanOrEqual(second.version.time);
    });

    test("carries the bound again with the next write also when nothing but the bound was in the batch that failed", async () => {
      store.failNext = true;
      await expect(node.tick()).rejects.toThrow("disk full");
      const { version, committed } = write("k", text("1"));
      await committed;
      expect(clockBoundOf(store.committed)).toBeGreaterThanOrEqual(version.time);
    });

    test("goes on above every version after a restart with a wall clock set back by a day", async () => {
      const before = write("k", text("1"));
      await before.committed;
      nowMs -= 86_400_000;
      node = await open();
      expect(node.id).toBe(before.version.node);
      expect(node.lastWrite).toBeGreaterThanOrEqual(before.version.time);
      const after = write("k", text("2"));
      expect(after.version.time).toBeGreaterThan(before.version.time);
      await after.committed;
      node = await open();
      expect(write("k", text("3")).version.time).toBeGreaterThan(after.version.time);
    });

    test("offers no time below an uncommitted write before it is certain that no restart issues it again", async () => {
      await write("k", text("1")).committed;
      // Each time from here on is beyond the bound.
      expect(node.observe(hlcFromMs(nowMs + MAX_DRIFT_MS))).toBeUndefined();
      store.failNext = true;
      const lost = write("k", text("2"));
      const offered = node.ownTime();
      await expect(lost.committed).rejects.toThrow("disk full");
      await expect(offered).rejects.toThrow("disk full");
      const kept = write("k", text("3"));
      expect(await node.ownTime()).toBe(kept.version.time - 1);
      expect(clockBoundOf(store.committed)).toBeGreaterThanOrEqual(kept.version.time);
    });

    test("offers no time above a write that failed before the store says what became of it", async () => {
      await write("k", text("1")).committed;
      store.isFull = true;
      await expect(write("k", text("2")).committed).rejects.toThrow("disk full");
      await expect(node.ownTime()).rejects.toThrow("disk full");
      const another = write("k", text("3")).committed;
      await expect(node.ownTime()).rejects.toThrow("disk full");
      await expect(another).rejects.toThrow("disk full");
      store.isFull = false;
      expect(await node.ownTime()).toBeGreaterThan(node.lastWrite);
    });

    test("is not ahead of its peers' limit after a restart", async () => {
      await write("k", text("1")).committed;
      node = await open();
      const peer = new HybridLogicalClock({ durableBound: 0, maxDriftMs: MAX_DRIFT_MS });
      expect(peer.observe(write("k", text("2")).version.time, nowMs)).toBeUndefined();
    });

    test("takes a foreign time into account", () => {
      const foreign = hlcFromMs(START_MS + 1_000);
      expect(node.observe(foreign)).toBeUndefined();
      expect(write("k", text("1")).version.time).toBe(foreign + 1);
    });
  });

  describe("over a damaged record", () => {
    /** What is left of a record is what the index says was in it. */
    function damage(key: string, versions: readonly Version[]): void {
      const latest = store.latest.bind(store);
      store.latest = (asked) => {
        if (asked !== key) return latest(asked);
        throw Object.assign(new Error("damaged"), { fault: { code: "record_damaged", key, versions } });
      };
    }

    test("a write without a context covers what was in it", async () => {
      const { version } = write("k", text("1"));
      damage("k", [version]);
      const healing = write("k", text("2"));
      await healing.committed;
      expect(node.get("k")?.siblings).toHaveLength(1);
      expect(healing.previous).toBeUndefined();
    });

    test("a write that has not seen this node's own version there is refused, as it would cover it", async () => {
      const { version, committed } = write("k", text("1"));
      await committed;
      damage("k", [version]);
      expect(() => write("k", text("2"), EMPTY_CLIENT_CONTEXT)).toThrow("damaged");
      expect(node.get("k")?.siblings[0].version).toEqual(version);
    });

    test("a write that has seen all of it heals it", async () => {
      const { version, context, committed } = write("k", text("1"));
      await committed;
      damage("k", [version]);
      const healing = write("k", text("2"), context);
      await healing.committed;
      expect(node.get("k")?.siblings).toMatchObject([{ version: healing.version }]);
    });

    test("a write with a context is refused when not even the index knows what was there", async () => {
      const { context, committed } = write("k", text("1"));
      await committed;
      damage("k", []);
      expect(() => write("k", text("2"), context)).toThrow("damaged");
    });
  });

  describe("identity", () => {
    test("stays over restarts, and is a new one under doubt with the data kept", async () => {
      const { id } = node;
      const written = write("k", text("1"));
      await written.committed;
      expect((await open()).id).toBe(id);
      const doubting = await open({ doubt: true });
      expect(doubting.id).not.toBe(id);
      expect(doubting.identity.retired).toEqual([id]);
      expect(doubting.get("k")?.siblings[0].version).toEqual(written.version);
    });

    test("of another name or cluster is refused", async () => {
      await expect(open({ name: "beta" })).rejects.toMatchObject({ fault: { code: "wrong_name" } });
      await expect(open({ cluster: "prod" })).rejects.toMatchObject({ fault: { code: "wrong_cluster" } });
    });
  });

  describe("under doubt", () => {
    test("settles it in the very batch that stores its new identity", async () => {
      let settledWith: number | undefined;
      await open({ doubt: true }, () => {
        settledWith = store.batches.length;
        return store.meta.put("doubt", new Uint8Array());
      });
      expect(settledWith).toBe(store.batches.length - 1);
      expect([...(store.batches.at(-1)?.meta.keys() ?? [])]).toEqual(["identity", "clock", "doubt"]);
    });

    test("starts without the bound on its clock, and without doubt does not", async () => {
      for (const bad of ["", "x", "-1", "1e400", "12.5"]) {
        await store.meta.put("clock", new TextEncoder().encode(bad));
        await expect(open()).rejects.toMatchObject({ fault: { code: "clock_unreadable" } });
      }
      await open({ doubt: true });
      // It may end before it has needed a bound.
      node = await open();
      expect(hlcToMs(write("k", text("1")).version.time)).toBe(START_MS);
    });
  });

  describe("over what is ahead of its clock, because the bound was lost", () => {
    const ahead: Version = { time: hlcFromMs(START_MS + 10 * MAX_DRIFT_MS), node: "beta~0000000000" };

    test("a write without a context is newer than what it covers", async () => {
      await store.put("k", tombstoneOf(ahead));
      node = await open({ doubt: true });
      const { version, committed } = write("k", text("1"));
      expect(version.time).toBeGreaterThan(ahead.time);
      await committed;
      expect(clockBoundOf(store.committed)).toBeGreaterThanOrEqual(version.time);
    });

    test("so is one over a damaged record", async () => {
      store.latest = (key) => {
        const fault = { code: "record_damaged", key, versions: [ahead] };
        throw Object.assign(new Error("damaged"), { fault });
      };
      expect(write("k", text("1")).version.time).toBeGreaterThan(ahead.time);
    });
  });

  describe("a client's context", () => {
    const strangers = (count: number): [string, number][] =>
      Array.from({ length: count }, (_, i) => [`s~${String(i).padStart(10, "0")}`, 1]);

    test("brings no ids into a record that nobody knows, and covers what it names of those the record knows", async () => {
      const known = { time: hlcFromMs(START_MS), node: "beta~0000000000" };
      await node.merge("k", tombstoneOf(known));
      const vector = new Map([...strangers(20), [known.node, known.time] as const]);
      const { context } = write("k", text("1"), { vector, dot: undefined });
      expect([...(node.latest("k")?.context.keys() ?? [])]).toEqual([known.node, node.id]);
      expect(node.latest("k")?.siblings).toHaveLength(1);
      expect([...context.vector.keys()]).toEqual([known.node, node.id]);
    });

    test("brings in members, as far as there is room", () => {
      node.recognise((id) => id.startsWith("s~"));
      for (let round = 0; round < CONTEXT_GROWTH_MAX / 50 + 2; round++) {
        const vector = new Map(
          strangers(50).map(([id, time]) => [`s~${round}${id.slice(4)}`.slice(0, 12), time]),
        );
        write("k", text("1"), { vector, dot: undefined });
      }
      expect(node.latest("k")?.context.size).toBeLessThanOrEqual(CONTEXT_GROWTH_MAX + 1);
      expect(node.latest("k")?.context.size).toBeGreaterThan(CONTEXT_GROWTH_MAX / 2);
      expect(node.latest("k")?.siblings.length).toBeGreaterThan(1);
    });
  });

  describe("what it says it holds", () => {
    test("is a version once committed, its own under any key, a foreign one where it is covered", async () => {
      const first = write("k", text("1"));
      expect(node.holds("k", first.version)).toBe(false);
      await first.committed;
      expect(node.holds("k", first.version)).toBe(true);
      await write("k", text("2")).committed;
      expect(node.holds("k", first.version)).toBe(true);
      expect(node.holds("other", first.version)).toBe(true);
      expect(node.holds("k", { time: first.version.time, node: "beta~0000000000" })).toBe(false);
    });

    test("is complete up to just below its oldest uncommitted write, and never for the current millisecond", async () => {
      expect(node.completeThroughMs()).toBe(START_MS - 1);
      const written = write("k", text("1"));
      nowMs += 1_000;
      expect(node.completeThroughMs()).toBe(hlcToMs(written.version.time) - 1);
      await written.committed;
      expect(node.completeThroughMs()).toBe(START_MS + 999);
    });
  });

  describe("waiting for a version", () => {
    const foreign = { time: hlcFromMs(START_MS), node: "beta~0000000000" };
    const record = tombstoneOf(foreign);
    let calls: number;
    beforeEach(() => {
      calls = 0;
    });
    const count = () => {
      calls += 1;
    };

    test("calls back at once when it is held, once when it comes under its key, and never after it was cancelled", async () => {
      await node.merge("other", record);
      node.whenHeld("k", foreign, count);
      const cancel = node.whenHeld("k", foreign, count);
      cancel?.();
      expect(node.waiting).toBe(1);
      await node.merge("k", record);
      expect(calls).toBe(1);
      expect(node.waiting).toBe(0);
      await node.merge("k", record);
      node.whenHeld("k", foreign, count);
      expect(calls).toBe(2);
    });

    test.each(["an exchange", "mail"])("calls back when %s has brought it", async (how) => {
      const standing = { floor: 0, complete: true };
      const keyed = [{ key: "k", record }];
      node.whenHeld("k", foreign, count);
      const taken = how === "mail" ? node.takeMail(keyed, 0, 0) : node.admit(keyed, standing, standing, []);
      expect(calls).toBe(0);
      if ("committed" in taken) await taken.committed;
      expect(calls).toBe(1);
    });

    test("is refused beyond the limit", () => {
      for (let i = 0; i < 2; i++) expect(node.whenHeld("k", foreign, count)).toBeDefined();
      expect(node.whenHeld("k", foreign, count)).toBeUndefined();
      expect(node.waiting).toBe(2);
    });
  });

  describe("merging what was made elsewhere", () => {
    const foreign = { time: hlcFromMs(START_MS + 5_000), node: "beta~0000000000" };
    const record = tombstoneOf(foreign);

    test("keeps its versions beside our own, and our next write is newer", async () => {
      const own = write("k", text("1"));
      await node.merge("k", record);
      expect(node.get("k")?.siblings.map(({ version }) => version)).toEqual([foreign, own.version]);
      expect(write("k", text("2")).version.time).toBe(foreign.time + 1);
      node = await open();
      expect(write("k", text("3")).version.time).toBeGreaterThan(foreign.time);
    });

    test("stores a bound on the clock above it in the same batch", async () => {
      await node.merge("k", record);
      expect(clockBoundOf(store.batches.at(-1))).toBeGreaterThanOrEqual(foreign.time);
    });

    test("is refused as a batch for one time beyond the drift limit, and the clock has not moved", async () => {
      const before = write("k", text("1")).version;
      const ahead = tombstoneOf({ time: hlcFromMs(START_MS + 20_000), node: "beta~0000000000" });
      const standing = { floor: 0, complete: true };
      const batch = [
        { key: "a", record },
        { key: "b", record: ahead },
      ];
      expect(node.admit(batch, standing, standing, [])).toMatchObject({ code: "clock_drift" });
      expect(node.latest("a")).toBeUndefined();
      expect(write("k", text("2")).version.time).toBe(before.time + 1);
    });

    test("is refused beyond the drift limit, and nothing has changed", () => {
      nowMs -= 6_000;
      expect(node.merge("k", record)).toMatchObject({ code: "clock_drift" });
      expect(node.latest("k")).toBeUndefined();
    });
  });
});
