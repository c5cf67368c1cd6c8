/** Readers at the pace of a clock that a test holds: heartbeats, catching up, and readers that take nothing. */

import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { PassThrough } from "node:stream";
import { WATCH_HEARTBEAT_MS } from "@hearsay/api";
import { applyWrite, NO_CLAIMS, type Sibling } from "@hearsay/core";
import type { Timers } from "@hearsay/node";
import { afterEach, describe, expect, it } from "vitest";
import { HeldTimers, rest } from "../testing/held-timers.ts";
import { MemoryStore } from "../testing/memory-store.ts";
import { RunningCluster } from "../testing/running-cluster.ts";
import { EventStream } from "./event-stream.ts";
import { TICK_MS, WatchHub } from "./hub.ts";

/** As much of a response as a stream of events needs, and what was written to it. */
function response(): { readonly raw: ServerResponse; text(): string } {
  const raw = new PassThrough() as unknown as ServerResponse;
  let text = "";
  raw.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { raw, text: () => text };
}

/** What was written has come through. */
async function flowed(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const options = {
  prefix: "",
  keysOnly: false,
  since: undefined,
  void: undefined,
  maxBytes: 1_000_000,
  slowReaderMs: 1_000,
} as const;

function hubOn(timers: Timers, isCaughtUp: () => boolean, store = new MemoryStore()): WatchHub {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  return new WatchHub(
    {
      store,
      clock: { nowMs: () => 1_000 },
      timers,
      log,
      self: "n1~0123456789",
      cluster: "0123456789ab",
      knownThrough: 0,
      standing: () => ({ isCaughtUp: isCaughtUp(), claims: NO_CLAIMS, table: "", floor: 0 }),
    },
    { maxWatchers: 10, logMaxBytes: 10_000, maxHeldBytes: 10_000, maxScans: 1 },
  );
}

describe("a stream of events", () => {
  it("has a heartbeat with a fresh cursor every fifteen seconds", async () => {
    const timers = new HeldTimers();
    const hub = hubOn(timers, () => true);
    hub.enter();
    const { raw, text } = response();
    const running = new EventStream(hub, raw, options).run();
    await rest();
    await timers.pass(WATCH_HEARTBEAT_MS - 1);
    expect(text()).not.toContain("heartbeat");
    await timers.pass(2 * WATCH_HEARTBEAT_MS + TICK_MS);
    expect(text().match(/: heartbeat\nid: 1,0123456789ab,n1~0123456789,\S+\n\n/g)).toHaveLength(3);
    hub.close();
    raw.destroy();
    await running;
  });

  it("is synced only once the node has caught up with its cluster", async () => {
    const timers = new HeldTimers();
    let isCaughtUp = false;
    const hub = hubOn(timers, () => isCaughtUp);
    hub.enter();
    const { raw, text } = response();
    const running = new EventStream(hub, raw, options).run();
    await timers.pass(10 * TICK_MS);
    expect(text()).not.toContain("synced");
    isCaughtUp = true;
    await timers.pass(TICK_MS);
    expect(text().match(/event: synced/g)).toHaveLength(1);
    hub.close();
    raw.destroy();
    await running;
  });

  it("that cannot be told in time has its heartbeat, and is synced, without a cursor that says too much", async () => {
    const hub = hubOn(new HeldTimers(), () => false);
    const { raw, text } = response();
    const stream = new EventStream(hub, raw, options);
    const running = stream.run();
    await rest();
    stream.tick(undefined, true);
    for (let i = 0; i < 100; i++) stream.tick(undefined, true);
    await flowed();
    expect(text().match(/event: synced\ndata: {}\n\n/g)).toHaveLength(1);
    expect(text()).not.toContain("id:");
    stream.end();
    raw.destroy();
    await running;
  });

  it("that was overrun ends with what is there, deletions included, and without a reset", async () => {
    const timers = new HeldTimers();
    const store = new MemoryStore();
    const hub = hubOn(timers, () => true, store);
    const { raw, text } = response();
    const running = new EventStream(hub, raw, options).run();
    await rest();
    for (let time = 1; time <= 600; time++) {
      const version = { time, node: hub.self };
      const value = { bytes: new Uint8Array(1), contentType: "", expiresAtMs: null };
      const isPut = time <= 300 || time % 2 === 0;
      const sibling: Sibling = isPut ? { kind: "value", version, ...value } : { kind: "tombstone", version };
      const key = `k${time % 300}`;
      await store.put(key, applyWrite(store.latest(key), sibling, undefined));
    }
    await timers.pass(10_000);
    await flowed();
    expect([hub.counts.overruns, hub.counts.cutOff, text().includes("event: reset")]).toEqual([1, 0, false]);
    const told = new Map<string, string>();
    for (const [, event = "", key = ""] of text().matchAll(
      /event: (\w+)\n(?:id: .*\n)?data: {"key":"(\w+)"/g,
    )) {
      told.set(key, event);
    }
    expect(told.size).toBe(300);
    for (const [key, event] of told) expect(event).toBe(Number(key.slice(1)) % 2 === 0 ? "put" : "delete");
    hub.close();
    raw.destroy();
    await running;
  });
});

describe("a reader that takes nothing", () => {
  const cluster = new RunningCluster();
  afterEach(() => cluster.dispose());

  it("is cut off with reset once too much waits for it, and its cursor goes on", async () => {
    await cluster.run("n1", undefined, { "watch.maxReaderBytes": "64KiB" });
    await cluster.takesWrites("n1");
    const { hostname, port } = new URL(cluster.server("n1").address);
    const socket = connect(Number(port), hostname);
    socket.write("GET /watch HTTP/1.1\r\nHost: n1\r\n\r\n");
    await new Promise<void>((resolve) => socket.once("data", () => resolve()));
    socket.pause();
    const value = "x".repeat(1_000_000);
    let puts = 0;
    const isCutOff = async (): Promise<boolean> => {
      await cluster.put("n1", `k${puts++}`, value);
      const { body } = await cluster.get("n1", "/metrics");
      return /^hearsay_watch_cut_off_total 1$/m.test(String(body));
    };
    await cluster.until("it is cut off", isCutOff);
    let text = "";
    const ended = new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.once("end", resolve);
    });
    socket.resume();
    await ended;
    socket.destroy();
    expect(text).toMatch(/event: reset\ndata: {"reason":"slow_reader"/);
    const seen = text.split("event: put\n").length - 1;
    expect(seen).toBeLessThan(puts);
    const since = /.*\nid: (\S+)\n/s.exec(text)?.[1] ?? "";
    const { body } = await cluster.get("n1", `/watch?keys=true&wait=10s&since=${since}`);
    const { events } = body as { events: readonly { readonly event: string }[] };
    expect(events.filter(({ event }) => event === "put")).toHaveLength(puts - seen);
  });
});
