import { hlcFromMs, type KeyRecord, type NodeId, type Sibling } from "@hearsay/core";
import { expect, test } from "vitest";
import { MemoryStore } from "../memory-store.contract.ts";
import { type Obstacle, obstacleTo } from "./obstacle.ts";

const OWN: NodeId = "a~0123456789";
const OTHER: NodeId = "x~0123456789";
const FLOOR = hlcFromMs(1_000);

function value(time: number, expiresAtMs: number | null = null): Sibling {
  const version = { time, node: OWN };
  return { kind: "value", version, bytes: new Uint8Array(), contentType: "", expiresAtMs };
}

function recordOf(siblings: readonly [Sibling, ...Sibling[]], ...covered: readonly NodeId[]): KeyRecord {
  return { context: new Map([OWN, ...covered].map((node) => [node, FLOOR + 9])), siblings };
}

const deletion: Sibling = { kind: "tombstone", version: { time: FLOOR, node: OWN } };

test.each<[string, KeyRecord, Obstacle | undefined, Obstacle?]>([
  ["a value at the floor", recordOf([value(FLOOR)]), "too_old", "too_old"],
  ["a value above it", recordOf([value(FLOOR + 1)]), undefined],
  ["a deletion that goes there anyway", recordOf([deletion]), undefined],
  ["a value that has expired by then", recordOf([value(FLOOR, 1_000)]), undefined],
  ["a value that expires later", recordOf([value(FLOOR, 1_001)]), "too_old", "too_old"],
  ["an old deletion beside a value that stays", recordOf([value(FLOOR + 1), deletion]), "too_old", "too_old"],
  ["what knows of an id of its own cluster", recordOf([value(FLOOR + 1)], OWN), undefined],
  ["what knows of another one", recordOf([value(FLOOR + 1)], OTHER), "of_others"],
  ["a value at the floor that knows of another one", recordOf([value(FLOOR)], OTHER), "of_others"],
  ["a deletion that goes, and knows of another one", recordOf([deletion], OTHER), "of_others"],
])("what keeps a node outside that brings %s", async (_, record, obstacle, whereItWasLetIn) => {
  const store = new MemoryStore();
  // It comes last of all.
  for (let i = 0; i < 300; i++) await store.put(`k${i}`, recordOf([value(FLOOR + 1)]));
  await store.put("last", record);
  const isKnown = (id: NodeId): boolean => id === OWN;
  expect(await obstacleTo(store, FLOOR, isKnown, false)).toBe(obstacle);
  expect(await obstacleTo(store, FLOOR, isKnown, true)).toBe(whereItWasLetIn);
});
