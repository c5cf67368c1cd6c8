/** What an operator does with the last node of a cluster, when it is in doubt and the others are gone for good. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadConfig } from "./config/load.ts";
import { openStore } from "./open-store.ts";
import { resetDirectory } from "./reset.ts";
import { isRestoringExactly, noteExactRestore } from "./snapshot/exact-mark.ts";
import { RunningCluster } from "./testing/running-cluster.ts";

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

let cluster: RunningCluster;
let data: string;

beforeEach(() => {
  cluster = new RunningCluster();
  data = mkdtempSync(join(tmpdir(), "hearsay-reset-"));
});

afterEach(async () => {
  await cluster.dispose();
  rmSync(data, { recursive: true });
});

async function reset(options: { readonly alone: boolean; readonly empty?: boolean }): Promise<void> {
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const [kept, removed] = options.empty === true ? [0, 3] : [2, 0];
  expect(await resetDirectory(settings, { empty: false, ...options })).toMatchObject({ kept, removed });
}

async function startOfTwo(): Promise<void> {
  await cluster.run("n1", undefined, { "swim.reconnectIntervalMs": "100" });
  await cluster.run("n2", "n1", { data });
  await cluster.takesWrites("n2");
  await cluster.put("n2", "a", "1");
  await cluster.put("n1", "b", "2");
  await cluster.until("n2 holds both", async () => (await cluster.get("n2", "/kv/b")).status === 200);
}

async function refusal(): Promise<unknown> {
  const answer = await fetch(`${cluster.server("n2").address}/kv/more`, { method: "PUT", body: "v" });
  return answer.ok ? undefined : await answer.json();
}

it("is told the way by the node, and has it take writes again with its data", async () => {
  await startOfTwo();
  await cluster.stop("n2");
  await cluster.stop("n1");

  // As after doubt: another incarnation, which waits for those it remembers.
  await reset({ alone: false });
  await cluster.run("n2", undefined, { data });
  expect(await refusal()).toMatchObject({
    code: "joining",
    next: expect.stringContaining("hearsay reset --alone"),
  });
  expect(JSON.stringify((await cluster.get("n2", "/readyz?verbose")).body)).toMatch(
    /recorded by 0 of 1 needed, joining through the addresses it knows.*hearsay forget ID.*hearsay reset --alone/,
  );
  expect(await cluster.get("n2", "/kv/b")).toMatchObject({ status: 200, body: "2" });
  await cluster.stop("n2");

  await reset({ alone: true });
  await cluster.run("n2", undefined, { data });
  expect(await refusal()).toBeUndefined();
  expect(await cluster.get("n2", "/kv/b")).toMatchObject({ status: 200, body: "2" });
  await cluster.until("it is complete", async () => {
    const { body } = await cluster.get("n2", "/readyz?verbose");
    return /"complete","ok":true/.test(JSON.stringify(body));
  });
  await cluster.run("n3", "n2");
  await cluster.until("others join it", async () => (await cluster.get("n3", "/kv/a")).body === "1");
  await cluster.takesWrites("n3");
});

it("lets a node go on alone that crashed when it was let in where nobody answers any more, and says where that is", async () => {
  await cluster.run("n2", undefined, { data });
  for (const key of ["a", "b"]) await cluster.put("n2", key, "1");
  await cluster.stop("n2");
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const { store, close } = await openStore(settings, QUIET, () => undefined);
  const stored = Buffer.from(store.meta.get("completeness") ?? []).toString();
  const letInBy = "n1~0123456789";
  const letIn = { hasBelonged: false, recorded: false, letInAt: ["127.0.0.1:9"], letInBy };
  await store.meta.put("completeness", Buffer.from(JSON.stringify({ ...JSON.parse(stored), ...letIn })));
  await close();

  await cluster.run("n2", undefined, { data });
  expect(await refusal()).toMatchObject({ code: "joining" });
  const { body } = await cluster.get("n2", "/readyz?verbose");
  expect(JSON.stringify(body)).toContain(
    `joining through 127.0.0.1:9, let in at 127.0.0.1:9 by ${letInBy} and into no other cluster; writes are refused`,
  );
  await cluster.stop("n2");

  await reset({ alone: true });
  await cluster.run("n2", undefined, { data });
  expect(await refusal()).toBeUndefined();
  expect(await cluster.get("n2", "/kv/b")).toMatchObject({ status: 200, body: "1" });
});

it("retires nobody by the word of a node whose limits keep it outside, and says that these do", async () => {
  await startOfTwo();
  await cluster.stop("n2");
  await reset({ alone: false });
  const join = cluster.address("n1");
  await cluster.run("n2", undefined, { data, join, "limits.maxValueBytes": "4096" });
  await cluster.until("it is refused", async () =>
    JSON.stringify((await cluster.get("n2", "/readyz?verbose")).body).includes("maxValueBytes differ"),
  );
  await cluster.stop("n1");
  await cluster.until("n1 is down", async () => {
    const { body } = await cluster.get("n2", "/cluster");
    return /"state":"(dead|stopped)"/.test(JSON.stringify(body));
  });
  const answer = await cluster.post("n2", "/cluster/forget", { node: "n1", confirm: true });
  expect(answer).toMatchObject({ status: 503, body: { code: "limits_differ", outcome: "none" } });
});

it("empties a directory of what is damaged as well", async () => {
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const open = (): ReturnType<typeof openStore> => openStore(settings, QUIET, () => undefined);
  await (await open()).close();
  const database = new Level<string, string>(join(data, "db"));
  // Nothing but its entry in quarantine, after an unclean stop.
  await database.batch([
    { type: "put", key: "qlost", value: "" },
    { type: "del", key: "scheckpoint" },
  ]);
  await database.close();
  let { store, close } = await open();
  expect(store.stats().damaged).toBe(1);
  await close();
  await resetDirectory(settings, { empty: true, alone: true });
  ({ store, close } = await open());
  expect(store.stats().damaged).toBe(0);
  await close();
});

it("empties a directory of versions kept aside and of copies of damaged databases, whose values would stay", async () => {
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const open = (): ReturnType<typeof openStore> => openStore(settings, QUIET, () => undefined);
  let { store, close } = await open();
  for (const time of [7, 8]) {
    const version = { time, node: "n1~0123456789" };
    const ghost = { version, bytes: new Uint8Array(1), contentType: "text/plain", expiresAtMs: null };
    await store.quarantine("k", { kind: "value", ...ghost }, { atMs: 1, why: "refused" });
  }
  await close();
  const database = new Level<string, string>(join(data, "db"));
  // What fails its checksum, and is listed nowhere.
  await database.put("gdamaged", "its value");
  await database.close();
  ({ store, close } = await open());
  expect(store.stats().ghosts).toBe(3);
  await close();
  mkdirSync(join(data, "db-damaged-1970-01-01T00-00-00-000Z"));
  await resetDirectory(settings, { empty: false, alone: true });
  expect(readdirSync(data).join()).toContain("db-damaged-");
  await resetDirectory(settings, { empty: true, alone: true });
  expect(readdirSync(data).join()).not.toContain("db-damaged-");
  ({ store, close } = await open());
  expect(store.stats().ghosts).toBe(0);
  await close();
});

it("resets a directory whose identity cannot be read, as a start over it begins a new incarnation anyway", async () => {
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const open = (): ReturnType<typeof openStore> => openStore(settings, QUIET, () => undefined);
  const { store, close } = await open();
  await store.meta.put("identity", new TextEncoder().encode("{}"));
  await close();
  const database = new Level<string, string>(join(data, "db"));
  await database.put("midentity", "what fails its checksum");
  await database.close();
  expect((await resetDirectory(settings, { empty: false, alone: true })).node).toMatch(/^n2~/);
});

it("that goes on alone while another still runs is refused by that one, and enters its cluster again empty", async () => {
  await startOfTwo();
  const { nodeId } = cluster.server("n2");
  const listen = cluster.address("n2");
  await cluster.stop("n2");
  await reset({ alone: true });
  await cluster.run("n2", undefined, { data, listen });
  await cluster.put("n2", "theirs", "v");
  await cluster.put("n1", "ours", "v");
  await cluster.until("n1 has met another cluster", async () =>
    /"other cluster","ok":false/.test(JSON.stringify((await cluster.get("n1", "/readyz?verbose")).body)),
  );
  for (const [name, key] of [
    ["n1", "theirs"],
    ["n2", "ours"],
  ] as const)
    expect(await cluster.get(name, `/kv/${key}`)).toMatchObject({ status: 404 });
  // It may have deleted, and forgotten by now, what n1 still holds.
  expect(await cluster.post("n2", "/cluster/join", { address: cluster.address("n1") })).toMatchObject({
    status: 409,
    body: {
      code: "records_too_old",
      detail: expect.stringContaining("written by nodes that were never members"),
    },
  });
  await cluster.stop("n2");
  await reset({ alone: true, empty: true });
  // What was let go when it went on alone.
  await cluster.post("n1", "/cluster/forget", { node: nodeId, confirm: true });
  await cluster.run("n2", "n1", { data, listen });
  await cluster.until("n2 has it", async () => (await cluster.get("n2", "/kv/ours")).body === "v");
  await cluster.takesWrites("n2");
  expect(await cluster.get("n2", "/kv/theirs")).toMatchObject({ status: 404 });
});

it("leaves no mark of an exact restore in a directory that it has emptied", async () => {
  const { settings } = loadConfig({ flags: { data, name: "n2" }, environment: {}, file: undefined });
  const first = await openStore(settings, QUIET, () => undefined);
  await noteExactRestore(first.store.meta);
  await first.close();
  await resetDirectory(settings, { empty: true, alone: false });
  const { store, close } = await openStore(settings, QUIET, () => undefined);
  expect(isRestoringExactly(store.meta)).toBe(false);
  await close();
});
