/** A store that cannot be read for a moment, as while it has no file descriptor left: a message is taken as a whole or not at all. */
import { encodeUtf8, hlcFromMs, type KeyRecord, type Sibling, type Standing } from "@hearsay/core";
import { beforeEach, expect, test } from "vitest";
import { MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";

const FLOOR = hlcFromMs(START_MS);
const OTHER = "b~0123456789";
const complete: Standing = { floor: FLOOR, complete: true };

function recordOf(time: number): KeyRecord {
  const version = { time, node: OTHER };
  const value: Sibling = {
    kind: "value",
    version,
    bytes: encodeUtf8("v"),
    contentType: "",
    expiresAtMs: null,
  };
  return { context: new Map([[OTHER, time]]), siblings: [value] };
}

let a: MemoryReplica;

beforeEach(async () => {
  a = await MemoryReplica.open({ name: "a" });
});

/** Of one key. */
function cannotRead(unreadable: string): void {
  const latest = a.store.latest.bind(a.store);
  a.store.latest = (key) => {
    if (key === unreadable) throw new Error("unavailable");
    return latest(key);
  };
}

test("a ghost is not dropped where what comes in its place cannot be merged", async () => {
  const ghost = recordOf(FLOOR - 5);
  await a.store.put("k", ghost);
  await a.keeper.settleFloor(FLOOR);
  cannotRead("other");
  const refused = [{ key: "k", versions: [ghost.siblings[0].version] }];
  const inItsPlace = [
    { key: "other", record: recordOf(FLOOR + 8) },
    { key: "k", record: recordOf(FLOOR + 9) },
  ];
  expect(() => a.replica.merge(inItsPlace, complete, refused)).toThrow("unavailable");
  await a.replica.flush();
  expect(a.store.get("k")).toEqual(ghost);
});

test("a node that takes something old in the place of what is damaged is complete no longer, or does not take it", async () => {
  a.keeper.completeness.unit(a.counted, FLOOR, FLOOR);
  await a.keeper.settleFloor(FLOOR);
  cannotRead("other");
  const old = recordOf(FLOOR - 5);
  const { latest } = a.store;
  a.store.latest = (key) => {
    if (key !== "k") return latest(key);
    const fault = { code: "record_damaged", key, versions: [old.siblings[0].version] };
    throw Object.assign(new Error("damaged"), { fault });
  };
  const mail = [
    { key: "k", record: old },
    { key: "other", record: recordOf(FLOOR + 9) },
  ];
  await expect(a.replica.takeMail(mail, complete)).rejects.toThrow("unavailable");
  expect(() => a.replica.merge(mail, { floor: FLOOR, complete: false })).toThrow("unavailable");
  await a.replica.flush();
  expect([a.store.get("k"), a.replica.standing().complete]).toEqual([undefined, true]);
});

test("a ghost that cannot be kept aside, as nobody knows whether it is, is not dropped", async () => {
  const ghost = recordOf(FLOOR - 5);
  await a.store.put("k", ghost);
  await a.keeper.settleFloor(FLOOR);
  a.graveyard.quarantine = () => {
    throw new Error("unavailable");
  };
  const refused = [{ key: "k", versions: [ghost.siblings[0].version] }];
  expect(() => a.replica.merge([], complete, refused)).toThrow("unavailable");
  await a.replica.flush();
  expect(a.store.get("k")).toEqual(ghost);
});
