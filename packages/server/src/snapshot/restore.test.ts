/** Restores against what a cluster knows: its members, its floor, and the deletions that it has purged. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RestoreMode } from "@hearsay/api";
import type { Version } from "@hearsay/core";
import { StoreError } from "@hearsay/store";
import { afterEach, expect, it, vi } from "vitest";
import { harness } from "../testing/harness.ts";
import { RunningCluster } from "../testing/running-cluster.ts";
import { applySnapshot } from "./apply.ts";
import { snapshotRecords } from "./records.ts";

let clusters: RunningCluster[] = [];
afterEach(async () => {
  await Promise.all(clusters.map((cluster) => cluster.dispose()));
  clusters = [];
});

function open(): RunningCluster {
  const cluster = new RunningCluster();
  clusters.push(cluster);
  return cluster;
}

async function snapshotOf(cluster: RunningCluster, name: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(`${cluster.server(name).address}/snapshot`)).arrayBuffer());
}

async function restore(
  cluster: RunningCluster,
  name: string,
  body: Uint8Array,
  query: string,
): Promise<unknown> {
  const answer = await fetch(`${cluster.server(name).address}/restore?${query}`, {
    method: "POST",
    headers: { "content-type": "application/vnd.hearsay.snapshot" },
    body: Uint8Array.from(body),
  });
  return await answer.json();
}

const keys = async (cluster: RunningCluster, name: string): Promise<string> =>
  JSON.stringify((await cluster.get(name, "/kv?keys=true")).body)
    .match(/"key":"[^"]*"/g)
    ?.join() ?? "";

/** The retention of these nodes is a second. */
async function floorPassesNow(cluster: RunningCluster, name: string): Promise<void> {
  const nowMs = Date.now();
  await cluster.until("the floor passes what was written", async () => {
    const { body } = await cluster.get(name, "/cluster");
    const watermark = /"watermark":"([^"]*)"/.exec(JSON.stringify(body))?.[1] ?? "";
    return Date.parse(watermark) > nowMs + 1500;
  });
}

it("an exact restore is refused where others would be told something untrue, and what joins later takes it over", async () => {
  const from = open();
  await from.start("old");
  await from.put("old", "a", "1");
  await from.put("old", "b", "2");
  const snapshot = await snapshotOf(from, "old");
  const to = open();
  await to.start("n1");
  await floorPassesNow(to, "n1");
  expect(await restore(to, "n1", snapshot, "mode=exact")).toMatchObject({ applied: 2 });
  await to.run("n2", "n1");
  await to.until("the joiner holds all", async () => (await keys(to, "n2")) === '"key":"a","key":"b"');
  await to.until("they have converged", async () => {
    const { body } = await to.get("n2", "/cluster/convergence");
    return JSON.stringify(body).includes('"converged"');
  });
  for (const name of ["n1", "n2"]) {
    const { body } = await to.get(name, "/metrics");
    expect(body).not.toMatch(/silent_loss_alarms_total"|ghosts_quarantined_total"/);
    expect(await keys(to, name)).toBe('"key":"a","key":"b"');
  }

  const pair = open();
  await pair.start("p1", "p2");
  for (const name of ["p1", "p2"]) {
    expect(await restore(pair, name, snapshot, "mode=exact")).toMatchObject({
      code: "not_alone",
      outcome: "none",
      counted: 2,
    });
    expect(await keys(pair, name)).toBe("");
  }
});

it("a key whose deletion was purged stays deleted, unless reviving is asked for", async () => {
  const cluster = open();
  await cluster.start("n1");
  await cluster.put("n1", "a", "1");
  await cluster.put("n1", "b", "2");
  const snapshot = await snapshotOf(cluster, "n1");
  await fetch(`${cluster.server("n1").address}/kv/a`, { method: "DELETE" });
  await cluster.until("the deletion is purged", async () => {
    const { body } = await cluster.get("n1", "/cluster/tombstones");
    return JSON.stringify(body).includes('"count":0');
  });
  for (const mode of ["missing", "as-new"]) {
    expect(await restore(cluster, "n1", snapshot, `mode=${mode}`)).toMatchObject({ skippedDeleted: 1 });
    expect(await keys(cluster, "n1")).toBe('"key":"b"');
  }
  const other = open();
  await other.start("n1");
  await floorPassesNow(other, "n1");
  expect(await restore(other, "n1", snapshot, "mode=missing")).toMatchObject({ applied: 2 });
  expect(await restore(cluster, "n1", snapshot, "mode=as-new&revive=true")).toMatchObject({ applied: 2 });
  expect(await keys(cluster, "n1")).toBe('"key":"a","key":"b"');
});

it("a value that is larger than the cluster takes is refused before anything is restored, as nobody else would get it", async () => {
  const from = open();
  await from.run("old", undefined, { "limits.maxValueBytes": String(2 * 1024 * 1024) });
  await from.put("old", "a", "1");
  await from.put("old", "b", "x".repeat(1024 * 1024 + 1));
  const snapshot = await snapshotOf(from, "old");
  const to = open();
  await to.start("n1");
  for (const mode of ["missing", "as-new", "exact"]) {
    expect(await restore(to, "n1", snapshot, `mode=${mode}`)).toMatchObject({
      code: "body_too_large",
      outcome: "none",
      detail: expect.stringContaining('"b" has 1048577 bytes, at most 1048576'),
    });
    expect(await keys(to, "n1")).toBe("");
  }
});

it("a dry run changes nothing, the clock neither, and tells that the snapshot lies too far ahead of it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-restore-"));
  try {
    const clockFile = join(directory, "ahead");
    await writeFile(clockFile, "1800000");
    const from = open();
    await from.run("old", undefined, { "test.hooks": "true", "test.clockFile": clockFile });
    const ahead = await from.put("old", "a", "1");
    const snapshot = await snapshotOf(from, "old");
    const to = open();
    await to.run("n1", undefined, {
      "clock.maxDriftMs": "1h",
      "security.messageWindowMs": "1h",
      "tombstones.minRetentionMs": "1h",
    });
    expect(await restore(to, "n1", snapshot, "mode=exact&dry-run=true")).toMatchObject({ applied: 1 });
    expect((await to.put("n1", "b", "2")) < ahead).toBe(true);
    await to.run("n2");
    expect(await restore(to, "n2", snapshot, "mode=exact&dry-run=true")).toMatchObject({
      code: "clock_drift",
      detail: expect.stringMatching(
        /^The snapshot's newest version is \d+ ms ahead; clock.maxDriftMs is 1000.$/,
      ),
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

it("a node that takes no writes yet takes no restore", async () => {
  const from = open();
  await from.start("old");
  await from.put("old", "a", "1");
  const snapshot = await snapshotOf(from, "old");
  const lone = open();
  await lone.run("n1", undefined, { join: "127.0.0.1:9" });
  for (const mode of ["missing", "as-new", "exact"]) {
    expect(await restore(lone, "n1", snapshot, `mode=${mode}`)).toMatchObject({ code: "joining" });
  }
});

it("a write that fails while the next record is read fails the restore, and not the process", async () => {
  const from = open();
  await from.start("old");
  for (const key of ["a", "b", "c"]) await from.put("old", key, "x".repeat(100_000));
  const directory = await mkdtemp(join(tmpdir(), "hearsay-restore-"));
  const to = await harness();
  try {
    const path = join(directory, "snapshot");
    await writeFile(path, await snapshotOf(from, "old"));
    const fault = { code: "disk_full", outcome: "unknown" } as const;
    to.store.failure = new StoreError(fault);
    const progress = { records: 0, applied: 0, skippedHeld: 0, skippedDeleted: 0 };
    const restore = { path, mode: "as-new", dryRun: false, revive: false } as const;
    // A rejection that nobody handles would fail this run.
    await expect(applySnapshot(to.services, restore, progress)).rejects.toMatchObject({ fault });
    expect(progress.applied).toBe(3);
  } finally {
    await to.close();
    await rm(directory, { recursive: true });
  }
});

it("a damaged key is put back where nothing newer than the snapshot's is known to have been there", async () => {
  const from = open();
  await from.start("old");
  await from.put("old", "a", "1");
  const directory = await mkdtemp(join(tmpdir(), "hearsay-restore-"));
  const to = await harness();
  try {
    const path = join(directory, "snapshot");
    await writeFile(path, await snapshotOf(from, "old"));
    const saved: Version[] = [];
    for await (const { record } of snapshotRecords(path)) saved.push(record.siblings[0].version);
    const newer = saved.map(({ time, node }) => ({ time: time + 1, node }));
    const applied = async (versions: Version[], mode: RestoreMode, revive: boolean): Promise<unknown> => {
      const read = vi.spyOn(to.store, "latest").mockImplementation((key) => {
        throw new StoreError({ code: "record_damaged", key, versions });
      });
      const progress = { records: 0, applied: 0, skippedHeld: 0, skippedDeleted: 0 };
      const report = await applySnapshot(to.services, { path, mode, dryRun: false, revive }, progress);
      read.mockRestore();
      return report;
    };
    for (const mode of ["missing", "as-new"] as const) {
      for (const known of [[], saved])
        expect(await applied(known, mode, false)).toMatchObject({ applied: 1 });
    }
    expect(await applied(newer, "missing", false)).toMatchObject({ applied: 0, skippedHeld: 1 });
    expect(await applied(newer, "as-new", false)).toMatchObject({ applied: 0, skippedDeleted: 1 });
    expect(await applied(newer, "as-new", true)).toMatchObject({ applied: 1 });
  } finally {
    await to.close();
    await rm(directory, { recursive: true });
  }
});

it("an exact restore that failed halfway is shown, and done by sending the snapshot again", async () => {
  const from = open();
  await from.start("old");
  for (const key of ["a", "b", "c"]) await from.put("old", key, "1");
  const directory = await mkdtemp(join(tmpdir(), "hearsay-restore-"));
  const to = await harness();
  try {
    const path = join(directory, "snapshot");
    await writeFile(path, await snapshotOf(from, "old"));
    const check = (): boolean | undefined => to.services.checks().find(({ name }) => name === "restore")?.ok;
    const progress = { records: 0, applied: 0, skippedHeld: 0, skippedDeleted: 0 };
    const exact = { path, mode: "exact", dryRun: false, revive: false } as const;
    const full = (): never => {
      throw new StoreError({ code: "disk_full", outcome: "none" });
    };
    const merge = to.services.node.merge.bind(to.services.node);
    vi.spyOn(to.services.node, "merge").mockImplementationOnce(merge).mockImplementationOnce(full);
    await expect(applySnapshot(to.services, exact, progress)).rejects.toMatchObject({
      fault: { code: "disk_full" },
    });
    expect([to.store.stats().records, check()]).toEqual([1, false]);
    await applySnapshot(to.services, exact, progress);
    expect([to.store.stats().records, check()]).toEqual([3, true]);
    await expect(applySnapshot(to.services, exact, progress)).rejects.toMatchObject({
      code: "store_not_empty",
    });
  } finally {
    await to.close();
    await rm(directory, { recursive: true });
  }
});
