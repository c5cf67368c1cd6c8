/** What bounds a transaction, and what comes while it reads. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness } from "../testing/harness.ts";

vi.mock(import("./leadership.ts"), async (original) => ({
  ...(await original()),
  demandLeader: () => undefined,
}));

let h: Harness;
beforeEach(async () => {
  h = await harness({ "limits.maxPageBytes": 1024, "limits.maxScans": 1 });
});
afterEach(() => h.close());

function write(key: string, bytes = 1) {
  return h.services.node.write(
    key,
    { kind: "value", bytes: new Uint8Array(bytes), contentType: "x/y", ttlMs: null },
    undefined,
  );
}

const run = (...operations: readonly object[]) =>
  h.app.inject({ method: "PUT", url: "/v1/txn", payload: operations.map((KV) => ({ KV })) });

const isLive = (key: string): boolean => h.store.committed.get(key)?.siblings[0].kind === "value";

it("touches no more than 10,000 keys by prefix, those counted twice that it names twice", async () => {
  for (let i = 0; i < 5_001; i++) write(`t/${i}`);
  await vi.waitUntil(() => h.store.committed.size === 5_001);
  const tree = { Verb: "get-tree", Key: "t/" };
  expect((await run(tree, { ...tree, Verb: "delete-tree" })).statusCode).toBe(413);
  expect((await run({ ...tree, Verb: "delete-tree" })).json()).toEqual({ Results: [], Errors: null });
  expect([...h.store.committed.keys()].filter(isLive)).toEqual([]);
});

it.each([
  ["get-tree", [{ Verb: "get-tree", Key: "t/" }]],
  ["get", ["t/1", "t/2", "t/3"].map((Key) => ({ Verb: "get", Key }))],
])("%s reads no more values than a page has, and nothing is written then", async (_, reads) => {
  const set = { Verb: "set", Key: "set", Value: btoa("v") };
  for (const key of ["t/1", "t/2"]) await write(key, 512);
  expect((await run(set, ...reads.slice(0, 2))).statusCode).toBe(200);
  await write("t/3");
  const refused = await run({ ...set, Key: "never" }, ...reads);
  expect([refused.statusCode, refused.body]).toEqual([413, expect.stringContaining("limits.maxPageBytes")]);
  expect([isLive("set"), isLive("never")]).toEqual([true, false]);
});

it("counts as a scan where it reads values", async () => {
  const { gate } = h.services;
  const leave = gate.enterReads();
  const read = { Verb: "get-or-empty", Key: "k" };
  const [refused, written] = [await run(read), await run({ Verb: "set", Key: "k" })];
  expect([refused.statusCode, written.statusCode]).toEqual([503, 200]);
  leave();
  expect((await run(read)).statusCode).toBe(200);
  expect(gate.scans).toBe(0);
});

it("sees the keys that come while it reads a prefix", async () => {
  const scan = h.store.scan.bind(h.store);
  vi.spyOn(h.store, "scan").mockImplementation(async (range) => {
    const passed = await scan(range);
    const written = write("t/new");
    if ("committed" in written) await written.committed;
    return passed;
  });
  expect((await run({ Verb: "get-tree", Key: "t/" })).json().Results).toMatchObject([
    { KV: { Key: "t/new" } },
  ]);
  expect((await run({ Verb: "delete-tree", Key: "t/" })).statusCode).toBe(200);
  expect(isLive("t/new")).toBe(false);
});

it("is refused where more comes meanwhile than is known afterwards", async () => {
  const { log } = h.services.watch;
  const { scan } = h.store;
  vi.spyOn(h.store, "scan").mockImplementation((range) => {
    vi.spyOn(log, "start", "get").mockReturnValue(log.end + 1);
    return scan.call(h.store, range);
  });
  const refused = await run({ Verb: "delete-tree", Key: "t/" });
  expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([503, "1"]);
});
