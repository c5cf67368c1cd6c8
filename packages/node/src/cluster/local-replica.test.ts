import {
  encodeUtf8,
  hlcFromMs,
  type KeyRecord,
  type NodeId,
  type Sibling,
  type Standing,
} from "@hearsay/core";
import { beforeEach, describe, expect, test } from "vitest";
import { MAX_DRIFT_MS, MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";

const FLOOR = hlcFromMs(START_MS);
const OTHER: NodeId = "b~0123456789";
const THIRD: NodeId = "c~0123456789";
const complete: Standing = { floor: FLOOR, complete: true };
const incomplete: Standing = { floor: FLOOR, complete: false };

function value(time: number, node: NodeId = OTHER): Sibling {
  const version = { time, node };
  return { kind: "value", version, bytes: encodeUtf8("v"), contentType: "text/plain", expiresAtMs: null };
}

function recordOf(first: Sibling, ...rest: Sibling[]): KeyRecord {
  const context = new Map([first, ...rest].map(({ version }) => [version.node, version.time]));
  return { context, siblings: [first, ...rest] };
}

const old = recordOf(value(FLOOR - 5));

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
    const { merged, refused, committed } = a.replica.merge([{ key: "k", record: old }], incomplete);
    await committed;
    expect(merged).toMatchObject([{ key: "k", record: undefined }]);
    expect(refused).toEqual([{ key: "k", versions: [old.siblings[0].version] }]);
    expect(a.graveyard.ghosts).toEqual([{ key: "k", sibling: old.siblings[0] }]);
    expect(a.contents().size).toBe(0);
    expect(a.log.counts.get("hearsay_ghosts_quarantined_total")).toBe(1);
    expect(a.log.of("ghost_quarantined")).toEqual([{ key: "k", versions: 1 }]);
  });

  test("takes the live sibling beside a ghost, and the context of both", async () => {
    await stand("complete");
    const mixed = recordOf(value(FLOOR + 9, THIRD), value(FLOOR - 5));
    const { refused, committed } = a.replica.merge([{ key: "k", record: mixed }], incomplete);
    await committed;
    expect(refused).toEqual([{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }]);
    expect(a.store.get("k")).toEqual({ context: mixed.context, siblings: [mixed.siblings[0]] });
  });

  test("takes a ghost with an alarm when its sender is complete at the same floor", async () => {
    await stand("complete");
    const { refused, committed } = a.replica.merge([{ key: "k", record: old }], complete);
    await committed;
    expect([refused, a.store.get("k")]).toEqual([[], old]);
    expect(a.log.of("silent_loss_suspected")).toEqual([{ key: "k", versions: 1 }]);
    expect(a.log.counts.get("hearsay_silent_loss_alarms_total")).toBe(1);
    expect(a.replica.alarms).toBe(1);
  });

  test("takes no delayed mail for an alarm: the floors have to be the same", async () => {
    await stand("complete");
    await a.replica.merge([{ key: "k", record: old }], { floor: FLOOR - 1, complete: true }).committed;
    expect([a.replica.alarms, a.graveyard.ghosts.length, a.contents().size]).toEqual([0, 1, 0]);
  });

  test("that is incomplete takes everything", async () => {
    await stand("incomplete");
    const { refused, committed } = a.replica.merge([{ key: "k", record: old }], complete);
    await committed;
    expect([refused, a.store.get("k"), a.graveyard.ghosts]).toEqual([[], old, []]);
  });

  test("that is incomplete drops on a complete peer's word what that has refused, and keeps it aside", async () => {
    await a.replica.merge([{ key: "k", record: old }], incomplete).committed;
    await stand("incomplete");
    await a.replica.drop([{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }], complete);
    expect([a.contents().size, a.graveyard.ghosts.length]).toEqual([0, 1]);
    expect(a.log.of("ghost_dropped")).toEqual([{ key: "k", versions: 1 }]);
  });

  test("drops only what was refused: siblings beside it stay, and versions it does not hold are no matter", async () => {
    const both = recordOf(value(FLOOR + 9, THIRD), value(FLOOR - 5));
    await a.replica.merge([{ key: "k", record: both }], incomplete).committed;
    await stand("incomplete");
    const versions = [
      { time: FLOOR - 5, node: OTHER },
      { time: 3, node: OTHER },
    ];
    await a.replica.drop(
      [
        { key: "k", versions },
        { key: "never heard of", versions },
      ],
      complete,
    );
    expect(a.store.get("k")?.siblings).toEqual([both.siblings[0]]);
    expect(a.graveyard.ghosts).toHaveLength(1);
  });

  test.each<["complete" | "incomplete", Standing]>([
    ["complete", complete],
    ["complete", incomplete],
    ["incomplete", incomplete],
  ])("that is %s drops nothing on the word of %j", async (own, peer) => {
    await a.replica.merge([{ key: "k", record: old }], incomplete).committed;
    await stand(own);
    await a.replica.drop([{ key: "k", versions: [{ time: FLOOR - 5, node: OTHER }] }], peer);
    expect([a.store.get("k"), a.graveyard.ghosts]).toEqual([old, []]);
  });

  test("without room for a ghost says so, and keeps it out all the same", async () => {
    await stand("complete");
    a.graveyard.room = 0;
    await a.replica.merge([{ key: "k", record: old }], incomplete).committed;
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
    await expect(a.replica.merge([{ key: "k", record: old }], complete).committed).rejects.toThrow();
    expect(a.contents().size).toBe(0);
  });
});
