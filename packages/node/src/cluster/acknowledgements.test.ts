import type { NodeId, Version } from "@hearsay/core";
import { expect, test } from "vitest";
import { Acknowledgements, type AwaitedWrite } from "./acknowledgements.ts";

const WRITER: NodeId = "a~0123456789";
const version = (time: number): Version => ({ time, node: WRITER });
const write = (key: string, time: number): AwaitedWrite => ({ key, version: version(time), sinceMs: time });

function held(acks: Acknowledgements, peer: string, key: string, time: number): void {
  acks.held({ kind: "rumor_held", peer: `${peer}~0123456789`, key, versions: [version(time)] });
}

test("a writer is told once, when so many different peers hold its version or a later one of the key", () => {
  const acks = new Acknowledgements(10);
  const told: number[] = [];
  acks.wait(write("k", 5), 2, (peers) => told.push(peers));
  held(acks, "b", "k", 5);
  held(acks, "b", "k", 6);
  held(acks, "c", "other", 9);
  held(acks, "c", "k", 4);
  expect(told).toEqual([]);
  held(acks, "c", "k", 7);
  held(acks, "d", "k", 7);
  expect(told).toEqual([2]);
  expect(acks.size).toBe(0);
});

test("a peer that holds a later version of another node may not have the write, and does not count", () => {
  const acks = new Acknowledgements(10);
  const told: number[] = [];
  acks.wait(write("k", 5), 1, (peers) => told.push(peers));
  const other: Version = { time: 9, node: "b~0123456789" };
  acks.held({ kind: "rumor_held", peer: "b~0123456789", key: "k", versions: [other] });
  expect(told).toEqual([]);
  acks.held({ kind: "rumor_held", peer: "b~0123456789", key: "k", versions: [other, version(5)] });
  expect(told).toEqual([1]);
});

test("writers of one key wait each for its own version and number", () => {
  const acks = new Acknowledgements(10);
  const told: string[] = [];
  acks.wait(write("k", 1), 1, () => told.push("first"));
  acks.wait(write("k", 2), 1, () => told.push("second"));
  acks.wait(write("k", 2), 2, () => told.push("third"));
  held(acks, "b", "k", 1);
  expect(told).toEqual(["first"]);
  held(acks, "b", "k", 2);
  expect(told).toEqual(["first", "second"]);
  held(acks, "c", "k", 3);
  expect(told).toEqual(["first", "second", "third"]);
});

test("a wait that is ended says how many held the version, and is not told any more", () => {
  const acks = new Acknowledgements(10);
  const told: number[] = [];
  const wait = acks.wait(write("k", 1), 3, (peers) => told.push(peers));
  held(acks, "b", "k", 1);
  expect([...wait.peers]).toEqual(["b~0123456789"]);
  expect(wait.end()).toBe(1);
  expect(wait.end()).toBe(1);
  for (const peer of ["c", "d", "e"]) held(acks, peer, "k", 1);
  expect(told).toEqual([]);
  expect(acks.size).toBe(0);
});

test("so many writers wait and no more, and room comes back", () => {
  const acks = new Acknowledgements(2);
  acks.wait(write("k", 1), 1, () => undefined);
  expect(acks.full).toBe(false);
  const wait = acks.wait(write("l", 2), 1, () => undefined);
  expect(acks.full).toBe(true);
  wait.end();
  held(acks, "b", "k", 1);
  expect([acks.full, acks.size]).toEqual([false, 0]);
});

test("an exchange vouches for all writes from before it began", () => {
  const acks = new Acknowledgements(10);
  const told: string[] = [];
  acks.wait(write("k", 1), 1, () => told.push("first"));
  acks.wait(write("l", 2), 1, () => told.push("second"));
  acks.wait(write("m", 3), 1, () => told.push("third"));
  acks.confirmed("b~0123456789", 2);
  expect(told).toEqual(["first", "second"]);
  expect(acks.size).toBe(1);
});

test("a peer that is gone does not count, and nobody waits for more peers than are left", () => {
  const acks = new Acknowledgements(10);
  const told: string[] = [];
  acks.wait(write("two", 1), 2, (peers) => told.push(`two: ${peers}`));
  acks.wait(write("all", 1), 3, (peers) => told.push(`all: ${peers}`));
  for (const key of ["two", "all"]) held(acks, "b", key, 1);
  acks.gone("b~0123456789", 2);
  for (const key of ["two", "all"]) held(acks, "c", key, 1);
  expect(told).toEqual([]);
  for (const key of ["two", "all"]) held(acks, "d", key, 1);
  expect(told).toEqual(["two: 2", "all: 2"]);
  acks.wait(write("last", 2), 2, (peers) => told.push(`last: ${peers}`));
  acks.gone("c~0123456789", 1);
  held(acks, "d", "last", 2);
  expect(told.at(-1)).toBe("last: 1");
});

test("a peer is to be asked for the writes that have waited longest without a word from it", () => {
  const acks = new Acknowledgements(10);
  for (const time of [1, 2, 3, 4, 5]) acks.wait(write(`k${time}`, time), 2, () => undefined);
  acks.held({ kind: "rumor_held", peer: "b~0123456789", key: "k2", versions: [version(2)] });
  const keys = (peer: NodeId) => acks.unheardFrom(peer, 4, 3).map(({ key }) => key);
  expect(keys("b~0123456789")).toEqual(["k1", "k3", "k4"]);
  expect(keys("c~0123456789")).toEqual(["k1", "k2", "k3"]);
});
