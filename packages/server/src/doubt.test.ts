/** A node that finds damage while it runs: it claims nothing any more, comes back as a new incarnation, and is repaired. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@hearsay/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { RunningCluster } from "./testing/running-cluster.ts";

let cluster: RunningCluster;
let data: string;

beforeEach(() => {
  cluster = new RunningCluster();
  data = mkdtempSync(join(tmpdir(), "hearsay-doubt-"));
});

afterEach(async () => {
  await cluster.dispose();
  rmSync(data, { recursive: true });
});

/** Latin letters that do not compress, so that they are found in the table as they are. */
const MARK = Array.from({ length: 2000 }, (_, i) => {
  const random = new SeededRandom(i);
  return String.fromCharCode(97 + Math.floor(random.next() * 26));
}).join("");

/** Flips a bit wherever the files of a stopped node hold the text. */
function damage(text: string): number {
  const database = join(data, "db");
  let flipped = 0;
  for (const name of readdirSync(database)) {
    const bytes = readFileSync(join(database, name));
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    bytes[at + 10] = (bytes[at + 10] ?? 0) ^ 1;
    writeFileSync(join(database, name), bytes);
    flipped += 1;
  }
  return flipped;
}

async function valueOn(name: string, key: string): Promise<unknown> {
  const { status, body } = await cluster.get(name, `/kv/${key}`);
  return status === 200 ? body : status;
}

async function checkOn(name: string, check: string): Promise<unknown> {
  const { body } = await cluster.get(name, "/readyz?verbose");
  const checks: unknown = Reflect.get(Object(body), "checks");
  const found = Array.isArray(checks)
    ? checks.find((one) => Reflect.get(Object(one), "name") === check)
    : undefined;
  return Reflect.get(Object(found), "ok");
}

async function idsOn(name: string): Promise<string[]> {
  const { body } = await cluster.get(name, "/cluster");
  const members: unknown = Reflect.get(Object(body), "members");
  return Array.isArray(members) ? members.map((member) => String(Reflect.get(Object(member), "id"))) : [];
}

async function withDamage(): Promise<void> {
  await cluster.start("n1", "n2");
  await cluster.run("n3", "n1", { data });
  await cluster.takesWrites("n3");
  await cluster.put("n1", "k", MARK);
  for (let i = 0; i < 20; i++) await cluster.put("n1", `other-${i}`, `value ${i}`);
  await cluster.until("n3 holds them", async () => (await valueOn("n3", "other-19")) === "value 19");
  await cluster.until("n3 is complete", async () => (await checkOn("n3", "complete")) === true);
  // Once to have the log replayed into a table, once to have it at rest.
  for (let i = 0; i < 2; i++) {
    await cluster.stop("n3");
    await cluster.run("n3", "n1", { data });
  }
  await cluster.stop("n3");
  expect(damage(MARK.slice(500, 600))).toBeGreaterThan(0);
  await cluster.run("n3", "n1", { data });
}

async function runsAnew(nodeId: string): Promise<void> {
  await cluster.until("n3 runs again", async () => {
    if (cluster.server("n3").nodeId === nodeId) return false;
    return (await valueOn("n3", "k").catch(() => undefined)) === MARK;
  });
}

it("starts again in its process when a record is damaged, retires its id, and serves what a peer still had", async () => {
  await withDamage();
  const { address, nodeId } = cluster.server("n3");
  expect(await valueOn("n3", "k")).toBe(500);
  await runsAnew(nodeId);
  expect(cluster.server("n3").address).toBe(address);
  expect(await valueOn("n3", "other-7")).toBe("value 7");
  expect(readdirSync(data).filter((name) => name.startsWith("db-damaged-"))).toHaveLength(1);
  await cluster.until("the old id is gone from the others", async () => {
    const ids = [...(await idsOn("n1")), ...(await idsOn("n2"))];
    return !ids.includes(nodeId) && ids.filter((id) => id === cluster.server("n3").nodeId).length === 2;
  });
  await cluster.until("n3 is complete again", async () => (await checkOn("n3", "complete")) === true);
  await cluster.put("n3", "after", "v");
  await cluster.until("and spreads its writes", async () => (await valueOn("n2", "after")) === "v");
});

it("tells the one who looks for damage what it has found, to the end, before it starts again", async () => {
  await withDamage();
  const { nodeId } = cluster.server("n3");
  const { status, body } = await cluster.get("n3", "/verify?deep=true");
  expect(status).toBe(200);
  expect(Array.isArray(body) ? body.at(-1) : body).toMatchObject({
    event: "end",
    deep: true,
    damaged: 1,
    damagedKeys: ["k"],
    repair: null,
  });
  await runsAnew(nodeId);
  const again = await cluster.get("n3", "/verify?deep=true");
  expect(Array.isArray(again.body) ? again.body.at(-1) : again.body).toMatchObject({
    records: 21,
    damaged: 0,
    consistent: true,
  });
});

it("tells no watcher who comes upon it that this is all, and gives it no cursor", async () => {
  await withDamage();
  await cluster.until("n3 tells what it holds", async () => {
    const { body } = await cluster.get("n3", "/watch?prefix=none&wait=0s");
    return JSON.stringify(body).includes("synced");
  });
  const url = `${cluster.server("n3").address}/watch?prefix=k`;
  const [stream, poll] = await Promise.all([fetch(url), fetch(`${url}&wait=0s`)]);
  expect([stream.status, await stream.text()]).toEqual([200, ": hearsay\n\n"]);
  expect([poll.status, await poll.json()]).toMatchObject([503, { code: "not_ready" }]);
});

it("lists nothing as all there is where a record among it is damaged", async () => {
  await withDamage();
  const { status, body } = await cluster.get("n3", "/kv");
  expect(status).toBe(500);
  expect(body).toMatchObject({ code: "record_damaged", detail: expect.stringContaining('"k"') });
});
