import { setTimeout as pause } from "node:timers/promises";
import { StoreError } from "@hearsay/store";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness, listen } from "../testing/harness.ts";

let node: Harness;
let url: string;

beforeEach(async () => {
  node = await harness();
  ({ url } = await listen(node.app));
});

afterEach(() => node.close());

async function verify(query: string, method = "GET"): Promise<{ status: number; lines: unknown[] }> {
  const answer = await fetch(`${url}/verify${query}`, { method });
  const text = await answer.text();
  return {
    status: answer.status,
    lines: text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  };
}

it("ends with the report", async () => {
  await fetch(`${url}/kv/k`, { method: "PUT", body: "v" });
  const { status, lines } = await verify("?deep=true");
  expect(status).toBe(200);
  expect(lines.at(-1)).toEqual({
    event: "end",
    deep: true,
    records: 1,
    indexEntries: 1,
    recordBucketsDiffering: 0,
    indexBucketsDiffering: 0,
    damaged: 0,
    damagedKeys: [],
    differingKeys: [],
    consistent: true,
    repair: null,
  });
  expect((await verify("")).lines.at(-1)).toMatchObject({ deep: false });
});

it("names what is damaged, and repairs only when asked to by a POST", async () => {
  node.store.damagedEntries = [{ key: "bad", versions: [] }];
  expect((await verify("?deep=true")).lines.at(-1)).toMatchObject({ damagedKeys: ["bad"], repair: null });
  expect((await verify("?repair=true")).status).toBe(400);
  expect((await verify("?repair=true", "POST")).lines.at(-1)).toMatchObject({
    repair: { exchanges: 0, failed: 0, restarting: false },
  });
  expect(node.logged).not.toContain("restart accounts_differ");
});

it("has a node start again whose accounts differ", async () => {
  node.store.verified = { consistent: false, indexBucketsDiffering: 1, differingKeys: ["k"] };
  expect((await verify("")).lines.at(-1)).toMatchObject({ consistent: false, repair: null });
  expect(node.logged).toEqual([]);
  expect((await verify("?repair=true", "POST")).lines.at(-1)).toMatchObject({ repair: { restarting: true } });
  expect(node.logged).toContain("restart accounts_differ");
});

it("says why it came to no end", async () => {
  node.store.verified = new StoreError({ code: "read_failed", detail: "the table is gone" });
  const { lines } = await verify("?deep=true");
  expect(lines.at(-1)).toMatchObject({ event: "failed", code: "read_failed" });
});

it("stops looking when its reader is gone", async () => {
  let ended: unknown;
  vi.spyOn(node.store, "verify").mockImplementation(async ({ onProgress }) => {
    try {
      for (let entries = 0; ; entries++) {
        onProgress?.(entries);
        await pause(5);
      }
    } catch (error) {
      ended = error;
      throw error;
    }
  });
  const leaving = new AbortController();
  const { body } = await fetch(`${url}/verify`, { signal: leaving.signal });
  await body?.getReader().read();
  expect(ended).toBeUndefined();
  leaving.abort();
  await expect.poll(() => ended).toBeInstanceOf(Error);
  expect(node.services.gate.scans).toBe(0);
});
