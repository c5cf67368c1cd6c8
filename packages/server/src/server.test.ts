import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVersion, hlcFromMs } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Settings } from "./config/knobs.ts";
import { loadConfig } from "./config/load.ts";
import { type RunningServer, startServer } from "./server.ts";
import { StartError } from "./start-error.ts";

let directory: string;
let running: RunningServer[];
let logged: { event: string; fields: Readonly<Record<string, unknown>> }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearsay-server-"));
  running = [];
  logged = [];
});
afterEach(async () => {
  for (const server of running) await server.close();
  rmSync(directory, { recursive: true });
});

/** What is tested is not what nodes refuse because the machine is busy with other tests. */
const NEVER_OVERLOADED: Partial<Settings> = {
  "overload.scansLagMs": 60_000,
  "overload.writesLagMs": 60_000,
  "overload.readsLagMs": 60_000,
};

async function start(data: string, overrides: Partial<Settings> = {}): Promise<RunningServer> {
  const { settings } = loadConfig({
    flags: { data: join(directory, data), listen: "127.0.0.1:0", name: "n1", ...flagsOf(overrides) },
    environment: {},
    file: undefined,
  });
  const record = (event: string, fields: Readonly<Record<string, unknown>>): void => {
    logged.push({ event, fields });
  };
  const server = await startServer(
    { ...settings, ...NEVER_OVERLOADED, ...overrides },
    { log: { info: record, warn: record, error: record } },
  );
  running.push(server);
  return server;
}

function flagsOf(
  overrides: Partial<Settings>,
): Partial<Record<"listen" | "name" | "cluster" | "insecure", string>> {
  const { listen, name, cluster, insecure } = overrides;
  return {
    ...(listen ? { listen } : {}),
    ...(name ? { name } : {}),
    ...(cluster ? { cluster } : {}),
    ...(insecure ? { insecure: "true" } : {}),
  };
}

async function startFault(data: string, overrides: Partial<Settings>): Promise<StartError> {
  try {
    await start(data, overrides);
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
  throw new Error("it started");
}

async function put(
  server: RunningServer,
  key: string,
  value: string,
  query = "",
): Promise<{ version: string }> {
  const answer = await fetch(`${server.address}/kv/${key}${query}`, { method: "PUT", body: value });
  expect(answer.status).toBeLessThan(300);
  const body: unknown = await answer.json();
  return { version: String(Reflect.get(Object(body), "version")) };
}

async function get(server: RunningServer, key: string): Promise<string | number> {
  const answer = await fetch(`${server.address}/kv/${key}`);
  return answer.status === 200 ? await answer.text() : answer.status;
}

async function restore(
  server: RunningServer,
  snapshot: Uint8Array | ArrayBuffer,
  query: string,
): Promise<unknown> {
  const answer = await fetch(`${server.address}/restore?${query}`, { method: "POST", body: snapshot });
  return await answer.json();
}

async function snapshotOf(server: RunningServer): Promise<ArrayBuffer> {
  return await (await fetch(`${server.address}/snapshot`)).arrayBuffer();
}

it("counts the connections that it closes at once", async () => {
  const server = await start("a", { "limits.maxConnections": 1 });
  const { hostname, port } = new URL(server.address);
  const first = connect(Number(port), hostname);
  await once(first, "connect");
  const second = connect(Number(port), hostname);
  await once(second, "close");
  first.write("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let answer = "";
  first.on("data", (chunk) => {
    answer += chunk;
  });
  await once(first, "close");
  expect(answer).toContain('hearsay_events_total{event="hearsay_connections_refused_total"} 1');
});

describe("a server", () => {
  it("has after a restart what it acknowledged, under the same identity and with later versions", async () => {
    const first = await start("d");
    const { version } = await put(first, "k", "v");
    await first.close();
    const second = await start("d");
    expect(second.nodeId).toBe(first.nodeId);
    expect(await get(second, "k")).toBe("v");
    expect((await put(second, "k", "w")).version > version).toBe(true);
    expect(logged.filter(({ event }) => event === "started").map(({ fields }) => fields["clean"])).toEqual([
      true,
      true,
    ]);
  });

  it("keeps a name it was not told from one start to the next", async () => {
    const first = await start("d", { name: "chosen" });
    await first.close();
    const second = await start("d", { name: "" });
    expect(second.nodeId).toBe(first.nodeId);
  });

  it("takes a copied directory for what it is: keeps the data under a new incarnation", async () => {
    const first = await start("d");
    await put(first, "k", "v");
    await first.close();
    cpSync(join(directory, "d"), join(directory, "copy"), { recursive: true });
    const copy = await start("copy");
    expect(copy.nodeId).not.toBe(first.nodeId);
    expect(copy.nodeId.startsWith("n1~")).toBe(true);
    expect(await get(copy, "k")).toBe("v");
    await copy.close();
    const again = await start("copy");
    expect(again.nodeId).toBe(copy.nodeId);
  });

  it("answers what is in progress when it stops, and takes nothing new", async () => {
    const server = await start("d");
    const writes = Array.from({ length: 20 }, (_, i) => put(server, `k${i}`, "v"));
    await writes[0];
    const closing = server.close();
    await Promise.allSettled(writes);
    await closing;
    await expect(fetch(`${server.address}/livez`)).rejects.toThrow();
    const events = logged.map(({ event }) => event);
    expect(events).toContain("stopping");
    expect(events.at(-1)).toBe("stopped");
    expect(events).not.toContain("connections_cut");
    const again = await start("d");
    for (const [i, write] of (await Promise.allSettled(writes)).entries()) {
      if (write.status === "fulfilled") expect(await get(again, `k${i}`)).toBe("v");
    }
  });

  it("cuts what does not end within its grace", async () => {
    const server = await start("d", { "shutdown.graceMs": 50 });
    const { hostname, port } = new URL(server.address);
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined);
    socket.write("PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na");
    expect((await fetch(`${server.address}/livez`)).status).toBe(200);
    await server.close();
    expect(logged.map(({ event }) => event)).toContain("connections_cut");
  });

  it("reports its metrics, each with its help", async () => {
    const server = await start("d");
    await put(server, "k", "v");
    await get(server, "k");
    const text = await (await fetch(`${server.address}/metrics`)).text();
    expect(text).toContain('hearsay_requests_total{operation="put",status="201"} 1');
    expect(text).toContain("hearsay_records 1");
    expect(text).toContain('hearsay_request_duration_seconds_count{operation="get"} 1');
    for (const name of text.matchAll(/^(hearsay_[a-z_]+?)(?:_bucket|_sum|_count)?[{ ]/gm)) {
      expect(text).toContain(`# HELP ${name[1]} `);
    }
  });
});

describe("a damaged database", () => {
  it("is copied aside and opened again, under a new incarnation, without a wrong answer", async () => {
    const first = await start("d");
    for (let i = 0; i < 20; i++) await put(first, `k${i}`, `value ${i}`);
    await first.close();
    const database = join(directory, "d", "db");
    for (const file of readdirSync(database)) {
      if (file.startsWith("MANIFEST")) truncateSync(join(database, file), 10);
    }
    const second = await start("d");
    expect(second.nodeId).not.toBe(first.nodeId);
    for (let i = 0; i < 20; i++) expect([`value ${i}`, 404, 500]).toContain(await get(second, `k${i}`));
    expect(await get(second, "k7")).toBe("value 7");
    expect(readdirSync(join(directory, "d")).some((name) => name.startsWith("db-damaged-"))).toBe(true);
    expect(logged.map(({ event }) => event)).toContain("database_salvaged");
  });

  it("is not taken for an empty one when LevelDB has lost its way to it", async () => {
    const first = await start("d");
    await put(first, "k", "v");
    await first.close();
    rmSync(join(directory, "d", "db", "CURRENT"));
    const second = await start("d");
    expect(await get(second, "k")).toBe("v");
  });
});

describe("a start", () => {
  it("names what is wrong and the step to take", async () => {
    const server = await start("d");
    const locked = await startFault("d", {});
    expect([locked.fault.code, locked.next.length > 0]).toEqual(["store_locked", true]);
    const { host } = new URL(server.address);
    expect((await startFault("e", { listen: host })).fault.code).toBe("address_in_use");
    expect(existsSync(join(directory, "e"))).toBe(false);
    await server.close();
    expect((await startFault("d", { name: "n2" })).fault).toMatchObject({
      code: "wrong_name",
      found: "n1",
      expected: "n2",
    });
    expect((await startFault("d", { cluster: "other" })).fault).toMatchObject({
      code: "wrong_cluster",
      found: "hearsay",
    });
    // Its digests were not computed anew for the cluster it was refused to.
    expect(logged.filter(({ event }) => event === "fingerprints_rebuilt")).toEqual([]);
    writeFileSync(join(directory, "file"), "");
    expect((await startFault("file", {})).fault.code).toBe("data_directory_unusable");
    expect((await startFault("e", { listen: "192.0.2.1:0", insecure: true })).fault.code).toBe(
      "address_unavailable",
    );
    const again = await start("d");
    expect(await get(again, "k")).toBe(404);
    expect(logged.filter(({ event }) => event === "fingerprints_rebuilt")).toEqual([]);
  });

  it("goes on without the members it is to join, reads, and says what it waits for", async () => {
    const server = await start("d", { join: ["127.0.0.1:9"] });
    expect(logged.find(({ event }) => event === "started")?.fields).toMatchObject({
      advertised: new URL(server.address).host,
      join: "127.0.0.1:9",
    });
    const ready = await fetch(`${server.address}/readyz?verbose`);
    expect(ready.status).toBe(200);
    const text = await ready.text();
    expect(text).toContain("recorded by 0 of 1 needed, joining through 127.0.0.1:9; writes are refused");
    expect(await get(server, "k")).toBe(404);
    const written = await fetch(`${server.address}/kv/k`, { method: "PUT", body: "v" });
    expect(written.status).toBe(503);
    expect(await written.json()).toMatchObject({ code: "joining", outcome: "none" });
    await vi.waitFor(() => {
      expect(logged.find(({ event }) => event === "join_failed")?.fields).toMatchObject({
        at: "127.0.0.1:9",
        code: "unreachable",
      });
    });
  });

  it("leaves nothing open when it fails", async () => {
    await (await start("d")).close();
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    const address = blocker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect((await startFault("d", { listen: `127.0.0.1:${port}` })).fault.code).toBe("address_in_use");
    const stranger = { listen: `127.0.0.1:${port}`, name: "n2" };
    expect((await startFault("d", stranger)).fault.code, "the directory is not looked into").toBe(
      "address_in_use",
    );
    blocker.close();
    await start("d");
  });
});

describe("snapshots", () => {
  async function source(): Promise<RunningServer> {
    const server = await start("source");
    const operations = Array.from({ length: 600 }, (_, i) => ({
      op: "put",
      key: `k${i}`,
      value: Buffer.from(`value ${i}`).toString("base64"),
    }));
    const answer = await fetch(`${server.address}/kv`, {
      method: "POST",
      body: JSON.stringify({ operations }),
      headers: { "content-type": "application/json" },
    });
    expect(answer.status).toBe(200);
    await put(server, "expiring", "v", "?ttl=1h");
    await fetch(`${server.address}/kv/k1`, { method: "DELETE" });
    return server;
  }

  it("restore exactly into an empty store, versions and deletions included, and into no other", async () => {
    const from = await source();
    const snapshot = await snapshotOf(from);
    const to = await start("target", { name: "n2" });
    const dry = await restore(to, snapshot, "mode=exact&dry-run=true");
    expect(dry).toEqual({
      mode: "exact",
      dryRun: true,
      records: 601,
      applied: 601,
      skippedHeld: 0,
      skippedDeleted: 0,
    });
    expect(await get(to, "k0")).toBe(404);
    expect(await restore(to, snapshot, "mode=exact")).toMatchObject({ dryRun: false, applied: 601 });
    const etags = await Promise.all(
      [from, to].map(async (server) => (await fetch(`${server.address}/kv/k7`)).headers.get("etag")),
    );
    expect(etags[0]).toBe(etags[1]);
    expect(await get(to, "k1")).toBe(404);
    expect(await restore(to, snapshot, "mode=exact")).toMatchObject({ code: "store_not_empty" });
  });

  it("bring back what is missing, but never what was deleted, and leave what is held", async () => {
    const from = await source();
    const snapshot = await snapshotOf(from);
    const to = await start("target", { name: "n2" });
    await put(to, "k0", "mine");
    await put(to, "k2", "gone soon");
    await fetch(`${to.address}/kv/k2`, { method: "DELETE" });
    expect(await restore(to, snapshot, "mode=missing")).toMatchObject({
      applied: 598,
      skippedHeld: 1,
      skippedDeleted: 2,
    });
    expect([await get(to, "k0"), await get(to, "k1"), await get(to, "k2"), await get(to, "k3")]).toEqual([
      "mine",
      404,
      404,
      "value 3",
    ]);
    const expires = (await fetch(`${to.address}/kv/expiring`)).headers.get("hearsay-expires");
    expect(Date.parse(expires ?? "")).toBeGreaterThan(Date.now() + 3_000_000);
    expect(await restore(to, snapshot, "mode=as-new")).toMatchObject({ applied: 599, skippedDeleted: 2 });
    expect([await get(to, "k0"), await get(to, "k2")]).toEqual(["value 0", 404]);
    expect(await restore(to, snapshot, "mode=as-new&revive=true")).toMatchObject({
      applied: 600,
      skippedDeleted: 1,
    });
    expect(await get(to, "k2")).toBe("value 2");
  });

  it("of a node whose clock was ahead are refused as a whole where versions would count, and taken as new writes", async () => {
    const from = await start("source", { "clock.maxDriftMs": 3_600_000 });
    const ahead = formatVersion({ time: hlcFromMs(Date.now() + 1_800_000), node: "other~0000000000" });
    const headers = { "hearsay-context": ahead };
    expect((await fetch(`${from.address}/kv/k`, { method: "PUT", body: "v", headers })).status).toBe(201);
    const snapshot = await snapshotOf(from);
    const to = await start("target", { name: "n2" });
    expect(await restore(to, snapshot, "mode=exact")).toMatchObject({ code: "clock_drift", outcome: "none" });
    expect(await get(to, "k")).toBe(404);
    expect(await restore(to, snapshot, "mode=missing")).toMatchObject({ applied: 1 });
    expect(await get(to, "k")).toBe("v");
  });

  it("apply nothing when cut or changed anywhere", async () => {
    const from = await source();
    const snapshot = Buffer.from(await snapshotOf(from));
    const to = await start("target", { name: "n2" });
    for (const end of [0, 5, 40, snapshot.length - 1]) {
      expect(await restore(to, snapshot.subarray(0, end), "mode=as-new")).toMatchObject({
        code: "snapshot_truncated",
      });
    }
    for (let i = 0; i < 20; i++) {
      const changed = Buffer.from(snapshot);
      const at = Math.floor((snapshot.length * (i + 0.5)) / 20);
      changed[at] = (changed[at] ?? 0) ^ (1 << (i % 8));
      expect(await restore(to, changed, "mode=as-new")).toMatchObject({ status: 400, outcome: "none" });
    }
    const longer = Buffer.concat([snapshot, Buffer.from([0])]);
    expect(await restore(to, longer, "mode=as-new")).toMatchObject({ code: "snapshot_corrupt" });
    expect(await restore(to, Buffer.from("nonsense"), "mode=exact")).toMatchObject({ status: 400 });
    const listing = await (await fetch(`${to.address}/kv?keys=true`)).json();
    expect(listing).toEqual({ items: [], next: null });
  });

  it("are refused over their limit before and while they arrive", async () => {
    const from = await source();
    const snapshot = Buffer.from(await snapshotOf(from));
    const to = await start("target", { name: "n2", "limits.maxRestoreBytes": 1024 });
    expect(await restore(to, snapshot, "mode=as-new")).toMatchObject({
      code: "body_too_large",
      maxBytes: 1024,
    });
  });
});
