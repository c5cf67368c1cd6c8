/** The port of a node whose directory is being opened, at its start or anew, which may take minutes. */
import { get } from "node:http";
import { HEADERS, MEDIA_TYPES } from "@hearsay/api";
import { Store, StoreError } from "@hearsay/store";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Listener } from "./http/listener.ts";
import { RunningCluster } from "./testing/running-cluster.ts";

let cluster: RunningCluster;
/** Of the listener that was opened last. */
let address: Promise<string>;
/** Openings wait for this one. */
let held: Promise<void>;
let letOn: () => void;
/** By opening, what its store is told to call when it finds damage. */
let doubts: (() => void)[];

beforeEach(() => {
  cluster = new RunningCluster();
  doubts = [];
  letOn = () => undefined;
  held = Promise.resolve();
  const listen = Listener.open.bind(Listener);
  address = new Promise((resolve) => {
    vi.spyOn(Listener, "open").mockImplementation(async (...given) => {
      const listener = await listen(...given);
      resolve(listener.address);
      return listener;
    });
  });
  const open = Store.open.bind(Store);
  vi.spyOn(Store, "open").mockImplementation(async (options) => {
    doubts.push(() => options.onEvent({ code: "doubt", reason: "damaged_records" }));
    await held;
    return await open(options);
  });
});

afterEach(async () => {
  letOn();
  vi.restoreAllMocks();
  await cluster.dispose();
});

function hold(): void {
  held = new Promise((resolve) => {
    letOn = resolve;
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  await cluster.until(what, async () => holds());
}

async function expectOpening(url: string, phase: string): Promise<void> {
  expect(await (await fetch(`${url}/livez`)).json()).toEqual({ ready: true });
  expect((await fetch(`${url}/livez`, { method: "HEAD" })).status).toBe(200);
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([503, { ready: false }]);
  const detail = `The node is ${phase}: it opens its data directory, and salvages or rebuilds what has to be.`;
  expect(await (await fetch(`${url}/readyz?verbose`)).json()).toEqual({
    ready: false,
    checks: [{ name: "phase", ok: false, detail }],
  });
  const refused = [
    await fetch(`${url}/kv/k`),
    await fetch(`${url}/kv/k`, { method: "PUT", body: "v".repeat(1_000_000) }),
    await fetch(`${url}/livez`, { method: "POST" }),
    await fetch(`${url}/metrics`),
    await fetch(`${url}/peer/ping`, { method: "POST", body: "x" }),
  ];
  for (const answer of refused) {
    expect([answer.status, answer.headers.get("content-type"), answer.headers.get("retry-after")]).toEqual([
      503,
      MEDIA_TYPES.problem,
      "1",
    ]);
    expect(answer.headers.has(HEADERS.node)).toBe(false);
    expect(await answer.json()).toMatchObject({ code: "not_ready", outcome: "none", detail });
  }
}

it("answers from before the directory is opened, and says that the node is not ready", async () => {
  hold();
  const starting = cluster.run("n1");
  const url = await address;
  await until("the directory is being opened", () => doubts.length === 1);
  await expectOpening(url, "starting");
  letOn();
  await starting;
  expect(cluster.server("n1").address).toBe(url);
  expect((await cluster.get("n1", "/readyz")).status).toBe(200);
});

it("answers all the time while the node starts again, to the others as a node that is not there", async () => {
  await cluster.start("n1", "n2");
  const { address: url } = cluster.server("n1");
  let isOver = false;
  const asking = statuses(`${url}/livez`, () => isOver);
  hold();
  doubts[0]?.();
  await until("it is being opened again", () => doubts.length === 3);
  await expectOpening(url, "recovering");
  await cluster.until("n2 misses it", async () =>
    /"state":"(?:suspect|dead)"/.test(JSON.stringify((await cluster.get("n2", "/cluster")).body)),
  );
  letOn();
  await cluster.takesWrites("n1");
  isOver = true;
  expect(await asking).toEqual(new Set([200]));
  expect(cluster.server("n1").address).toBe(url);
});

/** What comes, on a connection of its own each time, until it is over; an error among it where none does. */
async function statuses(url: string, isOver: () => boolean): Promise<Set<unknown>> {
  const seen = new Set<unknown>();
  while (!isOver()) seen.add(await statusOf(url).catch((error: unknown) => error));
  return seen;
}

function statusOf(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (answer) => {
      answer.resume().once("end", () => resolve(answer.statusCode));
    });
    request.once("error", reject);
  });
}

it("is let go of when the node is stopped meanwhile, or while it waits to be started again", async () => {
  await cluster.run("n1");
  const server = cluster.server("n1");
  hold();
  doubts[0]?.();
  await until("it is being opened again", () => doubts.length === 2);
  const closing = server.close();
  letOn();
  await closing;
  await expect(statusOf(`${server.address}/livez`)).rejects.toThrow("ECONNREFUSED");

  await cluster.run("n1");
  const again = cluster.server("n1");
  doubts[2]?.();
  await until("it has been opened again", () => doubts.length === 4);
  await cluster.takesWrites("n1");
  // Only the first new start comes at once.
  doubts[3]?.();
  await again.close();
  await expect(statusOf(`${again.address}/livez`)).rejects.toThrow("ECONNREFUSED");
});

function fails(): void {
  held = Promise.reject(new StoreError({ code: "store_unreadable", detail: "it is gone" }));
  held.catch(() => undefined);
}

it("is let go of when the directory cannot be opened", async () => {
  fails();
  await expect(cluster.run("n1")).rejects.toThrow("it is gone");
  await expect(statusOf(`${await address}/livez`)).rejects.toThrow("ECONNREFUSED");
});

it("is let go of when the directory cannot be opened again", async () => {
  await cluster.run("n1");
  const server = cluster.server("n1");
  fails();
  doubts[0]?.();
  await expect(server.left).rejects.toThrow("it is gone");
  await expect(statusOf(`${server.address}/livez`)).rejects.toThrow("ECONNREFUSED");
});
