/** Writes that go by an index, on records as concurrent writers on several nodes leave them. */
import { type HlcTime, hlcFromMs, type Sibling, type Siblings } from "@hearsay/core";
import { StoreError } from "@hearsay/store";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness, START_MS } from "../testing/harness.ts";
import { seenAt } from "./entry.ts";

vi.mock(import("./leadership.ts"), async (original) => ({
  ...(await original()),
  demandLeader: () => undefined,
}));

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

const A = "a~0000000000";
const B = "b~1111111111";

const value = (text: string, time: HlcTime, node: string): Sibling => ({
  kind: "value",
  version: { time, node },
  bytes: Buffer.from(text),
  contentType: "text/plain",
  expiresAtMs: null,
});

function hold(key: string, ...siblings: Siblings): void {
  const context = new Map(siblings.map(({ version }) => [version.node, version.time] as const));
  h.store.committed.set(key, { context, siblings });
}

/** Newest first; null where it was deleted. */
function held(key: string): (string | null)[] | undefined {
  return h.store.committed
    .get(key)
    ?.siblings.map((sibling) => (sibling.kind === "value" ? Buffer.from(sibling.bytes).toString() : null));
}

const ask = async (method: "PUT" | "DELETE", path: string, payload = "") => {
  const { body, statusCode } = await h.app.inject({ method, url: `/v1${path}`, payload });
  return [statusCode, body];
};

const txn = (...operations: readonly object[]) =>
  ask("PUT", "/txn", JSON.stringify(operations.map((KV) => ({ KV }))));

it("both of two values with one index stay beside what is written by it: nobody knows which was read", async () => {
  const tied = [value("from b", 7, B), value("from a", 7, A)] as const;
  for (const key of ["put", "delete", "txn", "checked"]) hold(key, ...tied);
  expect(await ask("PUT", "/kv/put?cas=7", "new")).toEqual([200, "true"]);
  expect(held("put")).toEqual(["new", "from b", "from a"]);
  expect(await ask("DELETE", "/kv/delete?cas=7")).toEqual([200, "true"]);
  expect(held("delete")).toEqual([null, "from b", "from a"]);
  const [status] = await txn(
    { Verb: "cas", Key: "txn", Index: 7, Value: btoa("new") },
    { Verb: "check-index", Key: "checked", Index: 7 },
    { Verb: "set", Key: "checked", Value: btoa("new") },
  );
  expect([status, held("txn"), held("checked")]).toEqual([
    200,
    ["new", "from b", "from a"],
    ["new", "from b", "from a"],
  ]);
});

it("a value that may have come after the index was read stays, until a write without one", async () => {
  for (const key of ["k", "gone"]) hold(key, value("read", 9, A), value("unread", 8, B));
  expect(await ask("PUT", "/kv/k?cas=9", "new")).toEqual([200, "true"]);
  expect(held("k")).toEqual(["new", "unread"]);
  expect((await txn({ Verb: "delete-cas", Key: "gone", Index: 9 }))[0]).toBe(200);
  expect(held("gone")).toEqual([null, "unread"]);
  // Who finds no value has not seen the one below the deletion.
  expect(await ask("PUT", "/kv/gone?cas=0", "again")).toEqual([200, "true"]);
  expect(held("gone")).toEqual(["again", "unread"]);
  await ask("PUT", "/kv/k", "plain");
  await txn({ Verb: "set", Key: "gone", Value: btoa("plain") });
  expect([held("k"), held("gone")]).toEqual([["plain"], ["plain"]]);
});

it("deletions alone are replaced by what is written where there was no value", () => {
  const deleted = (node: string): Sibling => ({ kind: "tombstone", version: { time: 9, node } });
  const record = (...siblings: Siblings) => ({ context: new Map(), siblings });
  expect(seenAt(0, record(deleted(B), deleted(A)), 0)).toBeUndefined();
  expect(seenAt(9, record(value("read", 9, B), deleted(A)), 0)).toBeUndefined();
});

it("a transaction of which a check names a time ahead of the clock writes nothing", async () => {
  const ahead = hlcFromMs(START_MS + 3_600_000);
  hold("ahead", value("read", ahead, A), value("unread", 8, B));
  const answer = await txn(
    { Verb: "set", Key: "first", Value: btoa("new") },
    { Verb: "cas", Key: "ahead", Index: ahead, Value: btoa("new") },
  );
  expect(answer).toEqual([409, expect.stringContaining("(clock_drift)")]);
  expect([held("first"), held("ahead")]).toEqual([undefined, ["read", "unread"]]);
});

it("a fault half way is answered once what was written before it is settled, also where that fails", async () => {
  const { store } = h;
  for (const key of ["t/a", "t/b"]) hold(key, value("v", 7, A));
  vi.spyOn(store, "put").mockImplementationOnce(() => Promise.reject(new Error("the disk is gone")));
  const latest = store.latest.bind(store);
  vi.spyOn(store, "latest").mockImplementation((key) => {
    if (key === "t/b") throw new StoreError({ code: "store_unavailable" });
    return latest(key);
  });
  expect((await ask("DELETE", "/kv/t/?recurse"))[0]).toBe(503);
});
