import { describe, expect, test } from "vitest";
import { BroadcastQueue } from "./broadcast-queue.ts";
import type { Update } from "./member.ts";
import { memberOf } from "./virtual-cluster.contract.ts";

const update = (name: string, generation = 0): Update => ({
  kind: "member",
  member: memberOf(name, { generation }),
});
const names = (updates: readonly Update[]): string[] =>
  updates.map((each) => (each.kind === "member" ? each.member.id.slice(0, 1) : each.id.slice(0, 1)));

describe("the queue", () => {
  test("sends each update exactly as often as the limit says", () => {
    const queue = new BroadcastQueue(10);
    queue.put(update("a"));
    let sent = 0;
    while (queue.size > 0) sent += queue.take(5, 6).length;
    expect(sent).toBe(6);
  });

  test("sends first what was sent least often, among equals what came first", () => {
    const queue = new BroadcastQueue(10);
    for (const name of ["a", "b", "c"]) queue.put(update(name));
    expect(names(queue.take(2, 4))).toEqual(["a", "b"]);
    queue.put(update("d"));
    expect(names(queue.take(3, 4))).toEqual(["c", "d", "a"]);
    expect(names(queue.take(2, 4))).toEqual(["b", "c"]);
  });

  test("keeps one update per id, the newest, and counts it afresh", () => {
    const queue = new BroadcastQueue(10);
    queue.put(update("a", 0));
    queue.take(1, 2);
    queue.put(update("a", 1));
    queue.put({ kind: "retired", id: memberOf("b").id });
    expect(queue.take(5, 2)).toEqual([update("a", 1), { kind: "retired", id: memberOf("b").id }]);
    expect(queue.take(5, 2)).toHaveLength(2);
    expect(queue.size).toBe(0);
  });

  test("stays within its bound and counts what falls off: the most travelled first", () => {
    const queue = new BroadcastQueue(2);
    queue.put(update("a"));
    queue.take(1, 4);
    queue.put(update("b"));
    queue.put(update("c"));
    expect(queue.size).toBe(2);
    expect(queue.dropped).toBe(1);
    expect(names(queue.take(5, 4))).toEqual(["b", "c"]);
  });

  test("gives up what a shrunken cluster has heard often enough", () => {
    const queue = new BroadcastQueue(2);
    queue.put(update("a"));
    queue.take(1, 8);
    queue.take(1, 8);
    expect(queue.take(1, 2)).toEqual([]);
    expect(queue.size).toBe(0);
  });
});
