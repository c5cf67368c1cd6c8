/** What root does in the data directory of another user's node. */
import { spawnSync } from "node:child_process";
import { chmodSync, lchownSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { documents, endAllNodes, hearsay, MAIN, startNode, temporaryDirectory } from "./cli-process.ts";

const OWNER = 61_234;
const canAct =
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, ["--check", MAIN], { uid: OWNER, gid: OWNER }).status === 0;

const directory = temporaryDirectory();
const data = join(directory.path, "closed", "n1");

afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

beforeEach(async ({ skip }) => {
  skip(!canAct, "only root can give a directory to another user, who has to reach this code");
  rmSync(data, { recursive: true, force: true });
  const node = await startNode(data);
  await fetch(`${node.url}/kv/k`, { method: "PUT", body: "v" });
  await node.end("SIGTERM");
  // As where systemd keeps the directories of its dynamic users.
  chmodSync(join(directory.path, "closed"), 0o700);
  for (const path of everything()) lchownSync(path, OWNER, OWNER);
});

function everything(): string[] {
  return [data, ...readdirSync(data, { recursive: true, encoding: "utf8" }).map((name) => join(data, name))];
}

function owners(): Set<string> {
  return new Set(
    everything().map((path) => {
      const { uid, gid } = lstatSync(path);
      return `${uid}:${gid}`;
    }),
  );
}

const OWN = new Set([`${OWNER}:${OWNER}`]);

it("leaves all of it to that user when it is reset", async () => {
  const done = await hearsay(["reset", "--data", data, "--empty", "--alone", "--yes", "--json"]);
  expect(done).toMatchObject({ code: 0, err: expect.stringContaining(`Working as user ${OWNER}`) });
  expect(documents(done)).toMatchObject([{ directory: data, kept: 0, removed: 1 }]);
  expect(owners()).toEqual(OWN);
});

it("leaves all of it to that user when it is verified, and salvaged by that", async () => {
  expect(documents(await hearsay(["verify", "--deep", "--data", data, "--json"]))).toMatchObject([
    { directory: data, records: 1, consistent: true },
  ]);
  expect(owners()).toEqual(OWN);
  const manifest = readdirSync(join(data, "db")).find((name) => name.startsWith("MANIFEST")) ?? "";
  writeFileSync(join(data, "db", manifest), "");
  const salvaged = await hearsay(["verify", "--deep", "--data", data, "--json"]);
  expect(documents(salvaged)).toMatchObject([{ records: 1, events: expect.arrayContaining(["salvaged"]) }]);
  expect(readdirSync(data).some((name) => name.startsWith("db-damaged-"))).toBe(true);
  expect(owners()).toEqual(OWN);
});

it("names the directory as it was named where it cannot be opened", async () => {
  const args = ["--data", data, "--cluster", "other"];
  for (const command of ["reset", "verify"]) {
    const { code, err } = await hearsay([command, ...args]);
    expect([code, err]).toEqual([1, expect.stringContaining(`${data} belongs to cluster hearsay`)]);
  }
});

it("starts no node on it, and one on a directory that was only made by that user", async () => {
  const before = readFileSync(join(data, "sequence"));
  const said = `${data} is of the node of user ${OWNER}, which root would lock out of it`;
  await expect(startNode(data)).rejects.toThrow(said);
  expect(owners()).toEqual(OWN);
  expect(readFileSync(join(data, "sequence"))).toEqual(before);
  for (const path of everything().slice(1)) lchownSync(path, 0, 0);
  const node = await startNode(data);
  expect(await node.end("SIGTERM")).toBe(0);
  expect(await hearsay(["reset", "--data", data])).toMatchObject({ code: 0 });
});
