import {
  decodeUtf8,
  encodeUtf8,
  hlcFromMs,
  type KeyedRecord,
  type KeyRecord,
  type NodeId,
  type RefusedVersions,
  type Sibling,
  type Standing,
} from "@hearsay/core";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_DRIFT_MS, MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";
import type { MergedBatch } from "../exchange/replica.ts";
import { rest } from "./manual-timers.contract.ts";

const FLOOR = hlcFromMs(START_MS);
const OTHER: NodeId = "b~0123456789";
const THIRD: NodeId = "c~0123456789";
const complete: Standing = { floor: FLOOR, complete: true };
const incomplete: Standing = { floor: FLOOR, complete: false };
/** Where a replica stands that has adopted no floor yet. */
const atFirst: Standing = { floor: 0, complete: false };

function value(time: number, node: NodeId = OTHER): Sibling {
  const version = { time, node };
  return { kind: "value", version, bytes: encodeUtf8("v"), contentType: "text/plain", expiresAtMs: null };
}

function recordOf(first: Sibling, ...rest: Sibling[]): KeyRecord {
  const context = new Map([first, ...rest].map(({ version }) => [version.node, version.time]));
  return { context, siblings: [first, ...rest] };
}

const old = recordOf(value(FLOOR - 5));

function merged(a: MemoryReplica, record: KeyRecord, sender: Standing): MergedBatch {
  const batch = a.replica.merge([{ key: "k", record }], sender);
  if (batch === undefined) throw new Error("nothing was decided");
  return batch;
}

/** A complete peer has refused these versions, and has something in their place or nothing. */
async function dropped(
  a: MemoryReplica,
  refused: readonly RefusedVersions[],
  inTheirPlace: readonly KeyedRecord[] = [],
): Promise<void> {
  await a.replica.merge(inTheirPlace, complete, refused)?.committed;
}

describe("a replica", () => {
  let a: MemoryReplica;

  /** Adopts the floor, as a node that has confirmed it or as one that has not. */
  async function stand(standing: "complete" | "incomplete"): Promise<void> {
    if (standing === "complete") a.keeper.completeness.unit(a.counted, FLOOR, FLOOR);
    await a.keeper.settleFloor(FLOOR);
    expect(a.replica.standing()).toEqual({ floor: FLOOR, complete: standing === "complete" });
  }

  beforeEach(async () => {
    a = await MemoryReplica.open({ name: "a" });
  });

  test("that is complete keeps a ghost aside, says which, and takes nothing of it", async () => {
    await stand("complete");
    const batch = merged(a, old, incomplete);
    await batch.committed;
    const { refused } = batch;
    expect(batch.merged).toMatchObject([{ key: "k", record: undefined }]);
    expect(refused).toEqual([{ key: "k", versions: [old.siblings[0].version] }]);
    expect(a.graveyard.ghosts).toEqual([{ key: "k", sibling: old.siblings[0], why: "refused" }]);
    expect(a.contents().size).toBe(0);
    expect(a.log.counts.get("hearsay_ghosts_quarantined_total")).toBe(1);
    expect(a.log.of("ghost_quarantined")).toEqual([{ key: "k", versions: 1 }]);
  });

  test("tells its peer of what it refuses when that is kept aside, and not where the disk fails", async () => {
    await stand("complete");
    let keep: (isKept: boolean) => void = () => undefined;
    const kept = new Promise<boolean>((resolve) => {
      keep = resolve;
    });
    a.graveyard.quarantine = () => kept;
    const told = vi.fn();
    const telling = merged(a, old, incomplete).committed.then(told);
    await rest();
    expect(told).not.toHaveBeenCalled();
    keep(true);
    await telling;
    a.graveyard.quarantine = () => Promise.reject(new Error("disk full"));
    await expect(merged(a, old, incomplete).committed).rejects.toThrow("disk full");
  });

  test.each(["an exchange", "mail"])(
    "has the bound on its clock in the batch of what %s brings from ahead of it",
    async (by) => {
      const ahead = recordOf(value(hlcFromMs(START_MS + MAX_DRIFT_MS)));
      if (by === "mail") await a.replica.takeMail([{ key: "k", record: ahead }], complete);
      else await merged(a, ahead, complete).committed;
      const batch = a.store.batches.find(({ records }) => records.has("k"));
      expect(decodeUtf8(batch?.meta.get("clock") ?? new Uint8Array())).toBe(
        String(ahead.siblings[0].version.time),
      );
    },
  );

  test("keeps no more siblings of a record than it may, and says what fell off", async () => {
    const [first, ...others] = Array.from({ length: 33 }, (_, i) =>
      value(FLOOR + 99 - i, `n${i}~0123456789`),
    );
    if (first === undefined) throw new Error("unreachable");
    const batch = merged(a, recordOf(first, ...others), complete);
    await batch.committed;
    expect([batch.merged[0]?.record, a.store.get("k")].map((held) => held?.siblings.length)).toEqual([
      32, 32,
    ]);
    expect(a.log.of("conflicts_dropped")).toEqual([{ key: "k", dropped: 1, deletions: 0 }]);
  });

  test("has not committed what comes again before the disk has taken what came first", async () => {
    const fresh = recordOf(value(FLOOR + 9));
    a.store.failNext = true;
    const mail = a.replica.takeMail([{ key: "k", record: fresh }], complete);
    const again = merged(a, fresh, complete);
    await expect(mail).rejects.toThrow("disk full");
    await expect(again.committed).rejects.toThrow("disk full");
  });

  test.each([1, 2])(
    "leaves no failure unheard when the store closes before look %i at a later record",
    async (look) => {
      await stand("complete");
      const unheard = vi.fn();
      process.on("unhandledRejection", unheard);
      try {
        // Not by spies, which listen to what they return.
        const latest = a.store.latest.bind(a.store);
        let looks = 0;
        a.store.put = () => Promise.reject(new Error("closed"));
        a.store.latest = (key) => {
          if (key === "ghost" && ++looks === look) throw new Error("closed");
          return latest(key);
        };
        const records = [
          { key: "fresh", record: recordOf(value(FLOOR + 9)) },
          { key: "ghost", record: old },
        ];
        expect(() => a.replica.merge(records, incomplete)).toThrow("closed");
        await new Promise((resolve) => setImmediate(resolve));
        expect(unheard).not.toHaveBeenCalled();
      } finally {
        process.off("unhandledRejection", unheard);
      }
    },
  );

  test("takes the live sibling beside a ghost, and covers the ghost no further than to just below it", async () => {
    await stand("complete");
    const mixed = recordOf(value(FLOOR + 9, THIRD), value(FLOOR - 5));
    const { refused, committed } = merged(a, mixed, incomplete);
    await committed;
    expect(refused).toEqual([{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }]);
    expect(a.store.get("k")).toEqual({
      context: new Map([...mixed.context, [OTHER, FLOOR - 6]]),
      siblings: [mixed.siblings[0]],
    });
  });

  test("takes a ghost with an alarm when its sender is complete at the same floor", async () => {
    await stand("complete");
    const { refused, committed } = merged(a, old, complete);
    await committed;
    expect([refused, a.store.get("k")]).toEqual([[], old]);
    expect(a.log.of("silent_loss_suspected")).toEqual([{ key: "k", versions: 1 }]);
    expect(a.log.counts.get("hearsay_silent_loss_alarms_total")).toBe(1);
    expect(a.replica.alarms).toBe(1);
  });

  test("decides nothing and takes nothing when its peer stands at another floor", async () => {
    await stand("complete");
    const fresh = recordOf(value(FLOOR + 9, THIRD));
    const records = [fresh, old].map((record, i) => ({ key: `k${i}`, record }));
    for (const complete of [true, false]) {
      expect(a.replica.merge(records, { floor: FLOOR - 1, complete })).toBeUndefined();
    }
    await rest();
    expect([a.replica.alarms, a.graveyard.ghosts.length, a.contents().size]).toEqual([0, 0, 0]);
  });

  test.each(["complete", "incomplete"] as const)(
    "that is %s takes mail of what is new, and leaves what is old and unknown to an exchange",
    async (own) => {
      await stand(own);
      const mixed = recordOf(value(FLOOR + 9, THIRD), value(FLOOR - 5));
      const fresh = recordOf(value(FLOOR + 9, THIRD));
      const mail = [
        { key: "old", record: old },
        { key: "mixed", record: mixed },
        { key: "fresh", record: fresh },
      ];
      await a.replica.takeMail(mail, complete);
      expect([...a.contents().keys()]).toEqual(["fresh"]);
      expect([a.replica.alarms, a.graveyard.ghosts]).toEqual([0, []]);
    },
  );

  test("that is complete leaves to an exchange what is above its own floor and not above the sender's", async () => {
    await stand("complete");
    const between = recordOf(value(FLOOR + 5));
    for (const isComplete of [true, false]) {
      const ahead: Standing = { floor: FLOOR + 9, complete: isComplete };
      await a.replica.takeMail([{ key: "k", record: between }], ahead);
      expect(a.replica.merge([{ key: "k", record: between }], ahead)).toBeUndefined();
    }
    expect(a.contents().size).toBe(0);
    await a.replica.takeMail([{ key: "k", record: between }], incomplete);
    expect(a.contents().size).toBe(1);
  });

  test("does not keep a deletion that may go at its floor, and lets go what it covers", async () => {
    await merged(a, recordOf(value(FLOOR - 9)), atFirst).committed;
    await stand("complete");
    const deletion = recordOf({ kind: "tombstone", version: { time: FLOOR - 5, node: OTHER } });
    const { refused, committed } = merged(a, deletion, { floor: FLOOR - 1, complete: true });
    await committed;
    expect([refused, a.contents().size]).toEqual([[], 0]);
  });

  test("that is incomplete notes what another incomplete one has brought, and not what a complete one has", async () => {
    await stand("incomplete");
    const before = a.keeper.completeness.begin();
    await merged(a, old, complete).committed;
    expect(a.keeper.completeness.begin()).toEqual(before);
    await merged(a, recordOf(value(FLOOR - 4, THIRD)), incomplete).committed;
    expect(a.keeper.completeness.begin()).not.toEqual(before);
  });

  test("that is incomplete notes it also where what comes behind it disturbs nothing", async () => {
    await stand("incomplete");
    const before = a.keeper.completeness.begin();
    const records = [old, recordOf(value(FLOOR + 9))].map((record, i) => ({ key: `k${i}`, record }));
    await a.replica.merge(records, incomplete)?.committed;
    expect(a.keeper.completeness.begin()).not.toEqual(before);
  });

  test("that is incomplete takes everything", async () => {
    await stand("incomplete");
    const { refused, committed } = merged(a, old, complete);
    await committed;
    expect([refused, a.store.get("k"), a.graveyard.ghosts]).toEqual([[], old, []]);
  });

  test("that is incomplete drops on a complete peer's word what that has refused, and keeps it aside", async () => {
    await merged(a, old, atFirst).committed;
    await stand("incomplete");
    await dropped(a, [{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }]);
    expect(a.contents().size).toBe(0);
    expect(a.graveyard.ghosts).toEqual([{ key: "k", sibling: expect.anything(), why: "dropped" }]);
    expect(a.log.of("ghost_dropped")).toEqual([{ key: "k", versions: 1 }]);
  });

  describe("that drops what had replaced a value the peer still holds", () => {
    const kept = recordOf(value(FLOOR - 9, THIRD));
    const replacing: KeyRecord = {
      context: new Map([...kept.context, [OTHER, FLOOR - 5]]),
      siblings: [value(FLOOR - 5)],
    };
    const refused = [{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }];

    beforeEach(async () => {
      await merged(a, replacing, atFirst).committed;
      await stand("incomplete");
    });

    test("takes that value in its place, in one batch", async () => {
      const batches = a.store.batches.length;
      await dropped(a, refused, [{ key: "k", record: kept }]);
      expect(a.store.get("k")).toEqual(kept);
      expect(a.store.batches.length).toBe(batches + 1);
      expect(a.graveyard.ghosts).toMatchObject([{ why: "dropped" }]);
    });

    test("drops nothing when what comes with the refusal is too far ahead", async () => {
      const future = recordOf(value(hlcFromMs(START_MS + MAX_DRIFT_MS + 1)));
      await expect(dropped(a, refused, [{ key: "other", record: future }])).rejects.toMatchObject({
        reason: { code: "clock_drift" },
      });
      expect([a.store.get("k"), a.log.of("ghost_dropped")]).toEqual([replacing, []]);
    });

    test("drops nothing when it would have to judge that value, at another floor than the peer's", async () => {
      a.keeper.completeness.unit(a.counted, FLOOR, FLOOR);
      const begun = a.keeper.completeness.begin();
      await a.keeper.recordedByMajority();
      a.keeper.completeness.exchanged(OTHER, { time: FLOOR, vector: new Map() }, complete, begun);
      expect(a.replica.standing().complete).toBe(true);
      const lower = { floor: FLOOR - 1, complete: true };
      expect(a.replica.merge([{ key: "k", record: kept }], lower, refused)).toBeUndefined();
      await rest();
      expect([a.store.get("k"), a.log.of("ghost_dropped")]).toEqual([replacing, []]);
    });
  });

  test("drops nothing that it could not keep aside for a failing disk", async () => {
    await merged(a, old, atFirst).committed;
    await stand("incomplete");
    const put: string[] = [];
    // Both are put in one turn, and so fail together.
    a.graveyard.quarantine = () => {
      put.push("aside");
      a.store.failNext = true;
      return Promise.reject(new Error("disk full"));
    };
    const remove = a.store.remove.bind(a.store);
    a.store.remove = (key) => {
      put.push("gone");
      return remove(key);
    };
    const refused = [{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }];
    await expect(dropped(a, refused)).rejects.toThrow("disk full");
    expect([a.store.get("k"), put]).toEqual([old, ["aside", "gone"]]);
  });

  describe("of which a record is damaged", () => {
    let lost = [{ time: FLOOR + 3, node: THIRD }];
    let isDamaged = true;
    const isComplete = (): boolean => a.replica.standing().complete;
    const saved = (): string =>
      decodeUtf8(a.store.committed.meta.get("completeness") ?? new Uint8Array()) ?? "";

    beforeEach(async () => {
      lost = [{ time: FLOOR + 3, node: THIRD }];
      await stand("complete");
      await a.keeper.save();
      const latest = a.store.latest.bind(a.store);
      isDamaged = true;
      a.store.latest = (key) => {
        if (!isDamaged || key !== "k") return latest(key);
        throw Object.assign(new Error("damaged"), { fault: { code: "record_damaged", key, versions: lost } });
      };
      const put = a.store.put.bind(a.store);
      a.store.put = (key, record) => {
        if (key === "k") isDamaged = false;
        return put(key, record);
      };
    });

    test("takes what it cannot judge in its place, and is complete no longer, durably in the same batch", async () => {
      expect(isComplete()).toBe(true);
      await merged(a, old, incomplete).committed;
      expect([a.store.get("k"), isComplete(), a.log.of("incomplete").length]).toEqual([old, false, 1]);
      const batch = a.store.batches.find(({ records }) => records.has("k"));
      expect(decodeUtf8(batch?.meta.get("completeness") ?? new Uint8Array())).toContain('"complete":false');
    });

    test("stays complete with what a complete peer gives it", async () => {
      await merged(a, old, complete).committed;
      expect([isComplete(), saved().includes('"complete":true')]).toEqual([true, true]);
    });

    test("waits no longer for what was lost when a peer has something else, says so, and not otherwise", async () => {
      const remove = vi.spyOn(a.store, "remove");
      await merged(a, recordOf(value(FLOOR + 9), value(FLOOR + 3, THIRD)), complete).committed;
      expect([remove.mock.calls, a.log.of("damaged_versions_missing")]).toEqual([[], []]);
      await a.store.remove("k");
      remove.mockClear();
      isDamaged = true;
      await merged(a, recordOf(value(FLOOR + 9)), complete).committed;
      expect(remove.mock.calls).toEqual([["k"]]);
      expect(a.log.of("damaged_versions_missing")).toEqual([{ key: "k", versions: 1 }]);
      expect(a.store.get("k")).toEqual(recordOf(value(FLOOR + 9)));
    });

    test("fails as a whole with the disk, and is heard once", async () => {
      a.store.failNext = true;
      await expect(merged(a, old, incomplete).committed).rejects.toThrow("disk full");
      expect(saved()).toContain('"complete":true');
    });

    test("leaves it as it is where a deletion is offered that has gone at its own floor, and takes what comes beside it", async () => {
      const deletion = recordOf({ kind: "tombstone", version: { time: FLOOR - 5, node: OTHER } });
      const fresh = recordOf(value(FLOOR + 9));
      const records = [
        { key: "k", record: deletion },
        { key: "l", record: fresh },
      ];
      const remove = vi.spyOn(a.graveyard, "remove");
      const batch = a.replica.merge(records, { floor: FLOOR - 10, complete: true });
      await batch?.committed;
      expect(remove).not.toHaveBeenCalled();
      expect(batch?.merged).toMatchObject([{ key: "k", record: undefined }, { record: fresh }]);
      expect([a.store.get("l"), isComplete()]).toEqual([fresh, true]);
    });

    test("takes mail in its place only where that brings nothing old besides", async () => {
      const [newest] = lost;
      const fresh = value(FLOOR + 9);
      const context = new Map([
        [OTHER, FLOOR + 9],
        [THIRD, newest?.time ?? 0],
      ]);
      const ghost = value(FLOOR - 5, "d~0123456789");
      await a.replica.takeMail([{ key: "k", record: { context, siblings: [fresh, ghost] } }], complete);
      expect([a.store.get("k"), isComplete()]).toEqual([undefined, true]);
      await a.replica.takeMail([{ key: "k", record: { context, siblings: [fresh] } }], complete);
      expect([a.store.get("k")?.siblings, isComplete()]).toEqual([[fresh], true]);
    });

    test("takes no mail in its place that has gone at the floor and covers nothing of what was lost", async () => {
      const deletion = recordOf({ kind: "tombstone", version: { time: FLOOR - 5, node: OTHER } });
      await a.replica.takeMail([{ key: "k", record: deletion }], complete);
      expect([a.store.committed.records.get("k"), isDamaged]).toEqual([undefined, true]);
      expect(a.log.of("damaged_versions_missing")).toEqual([]);
    });

    test("takes no mail in its place that brings what only the sender's floor has reached", async () => {
      const context = new Map([
        [OTHER, FLOOR + 9],
        [THIRD, FLOOR + 3],
      ]);
      const record: KeyRecord = { context, siblings: [value(FLOOR + 9)] };
      await a.replica.takeMail([{ key: "k", record }], { floor: FLOOR + 9, complete: true });
      expect([a.store.get("k"), isComplete()]).toEqual([undefined, true]);
      await a.replica.takeMail([{ key: "k", record }], { floor: FLOOR + 8, complete: true });
      expect([a.store.get("k"), isComplete()]).toEqual([record, true]);
    });

    test("does not vouch for what came by mail also where something new came behind it", async () => {
      lost = [{ time: FLOOR - 5, node: OTHER }];
      const mail = [
        { key: "k", record: old },
        { key: "l", record: recordOf(value(FLOOR + 9)) },
      ];
      await a.replica.takeMail(mail, complete);
      expect([a.contents().size, isComplete()]).toEqual([2, false]);
    });

    test("takes by mail what was in it, and does not vouch for that", async () => {
      lost = [{ time: FLOOR - 5, node: OTHER }];
      const begun = a.keeper.completeness.begin();
      await a.replica.takeMail([{ key: "k", record: old }], complete);
      expect([a.store.get("k"), isComplete()]).toEqual([old, false]);
      expect(a.keeper.completeness.begin()).not.toEqual(begun);
    });
  });

  test("drops only what was refused: siblings beside it stay, and versions it does not hold are no matter", async () => {
    const both = recordOf(value(FLOOR + 9, THIRD), value(FLOOR - 5));
    await merged(a, both, atFirst).committed;
    await stand("incomplete");
    const versions = [
      { time: FLOOR - 5, node: OTHER },
      { time: 3, node: OTHER },
    ];
    await dropped(a, [
      { key: "k", versions },
      { key: "never heard of", versions },
    ]);
    expect(a.store.get("k")?.siblings).toEqual([both.siblings[0]]);
    expect(a.graveyard.ghosts).toHaveLength(1);
    const batches = a.store.batches.filter(({ records }) => records.has("k")).length;
    await dropped(a, [{ key: "k", versions }]);
    expect(a.store.batches.filter(({ records }) => records.has("k"))).toHaveLength(batches);
  });

  test("drops what was refused also when it is complete by then, for that never becomes right again", async () => {
    await merged(a, old, atFirst).committed;
    await stand("complete");
    await dropped(a, [{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }]);
    expect([a.contents().size, a.graveyard.ghosts.length]).toEqual([0, 1]);
  });

  test("drops nothing above its floor, whatever a peer says", async () => {
    const fresh = recordOf(value(FLOOR + 5));
    await merged(a, fresh, incomplete).committed;
    await stand("incomplete");
    await dropped(a, [{ key: "k", versions: [{ time: FLOOR + 5, node: OTHER }] }]);
    expect([a.store.get("k"), a.graveyard.ghosts]).toEqual([fresh, []]);
  });

  test("without room for a ghost says so, and keeps it out all the same", async () => {
    await stand("complete");
    a.graveyard.room = 0;
    await merged(a, old, incomplete).committed;
    expect(a.log.counts.get("hearsay_ghosts_not_kept_total")).toBe(1);
    expect(a.log.of("ghost_not_kept")).toEqual([{ key: "k", time: FLOOR - 5 }]);
    expect(a.contents().size).toBe(0);
  });

  test("takes nothing of a message in which any time is too far ahead", async () => {
    const future = recordOf(value(hlcFromMs(START_MS + MAX_DRIFT_MS + 1)));
    const near = recordOf(value(FLOOR + 1));
    expect(() =>
      a.replica.merge(
        [
          { key: "near", record: near },
          { key: "future", record: future },
        ],
        complete,
      ),
    ).toThrow(expect.objectContaining({ reason: expect.objectContaining({ code: "clock_drift" }) }));
    expect(a.contents().size).toBe(0);
    expect(a.store.batches.every(({ records }) => records.size === 0)).toBe(true);
  });

  test("is not told that a batch is committed when the store has refused it", async () => {
    a.store.failNext = true;
    await expect(merged(a, old, atFirst).committed).rejects.toThrow();
    expect(a.contents().size).toBe(0);
  });
});
