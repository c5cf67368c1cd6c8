/** A node killed at any moment of a salvage: the next start has all of the data, or begins the salvage anew. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "@hearsay/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endAllNodes, startNode, temporaryDirectory } from "./cli-process.ts";

const MAIN = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));
const KEYS = 3000;
const BATCH = 500;

const directory = temporaryDirectory();
const damaged = join(directory.path, "damaged");

function textAt(i: number): string {
  return `${i} ${"x".repeat(i % 500)}`;
}

beforeAll(async () => {
  const node = await startNode(damaged);
  const client = new Client({ endpoints: [node.url] });
  for (let first = 0; first < KEYS; first += BATCH) {
    await client.batch(
      Array.from({ length: BATCH }, (_, i) => ({
        op: "put",
        key: `k${first + i}`,
        value: textAt(first + i),
      })),
    );
  }
  expect(await node.end("SIGTERM")).toBe(0);
  for (const file of readdirSync(join(damaged, "db"))) {
    if (file.startsWith("MANIFEST")) truncateSync(join(damaged, "db", file), 20);
  }
});

afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

/** Starts a node and kills it as soon as the directory shows that the salvage has come so far. */
async function killOnce(data: string, hasCome: () => boolean): Promise<void> {
  const args = [MAIN, "serve", "--name", "n1", "--data", data, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  let code: number | null | undefined;
  const closed = new Promise<void>((resolve) => {
    child.once("close", (ended) => {
      code = ended;
      resolve();
    });
  });
  while (!hasCome() && code === undefined) await setImmediate();
  child.kill("SIGKILL");
  await closed;
  expect(code, "it was killed, and did not end by itself").toBeNull();
}

const MOMENTS: { readonly [moment: string]: (data: string) => boolean } = {
  "when work begins": (data) => existsSync(join(data, "db-salvage")),
  "while the copy is made": (data) => existsSync(join(data, "db-salvage", "copy")),
  "while entries are saved": (data) => existsSync(join(data, "db-salvage", "fresh", "CURRENT")),
  "when what is saved stands ready": (data) =>
    existsSync(join(data, "db-salvaged")) || readdirSync(data).some((name) => name.startsWith("db-damaged")),
  "when the damaged database has left its place": (data) =>
    readdirSync(data).some((name) => name.startsWith("db-damaged")),
};

describe("a node killed during a salvage has all its data at the next start", () => {
  for (const [moment, hasCome] of Object.entries(MOMENTS)) {
    it(moment, async () => {
      const data = join(directory.path, moment.replaceAll(" ", "-"));
      cpSync(damaged, data, { recursive: true });
      await killOnce(data, () => hasCome(data));
      const node = await startNode(data);
      const client = new Client({ endpoints: [node.url] });
      for (let first = 0; first < KEYS; first += BATCH) {
        const keys = Array.from({ length: BATCH }, (_, i) => first + i);
        const results = await client.batch(keys.map((i) => ({ op: "get", key: `k${i}` })));
        for (const [at, result] of results.entries()) {
          const text = Buffer.from(String(Reflect.get(result, "value")), "base64").toString();
          expect(text).toBe(textAt(first + at));
        }
      }
      expect(await node.end("SIGTERM")).toBe(0);
      expect(readdirSync(data).filter((name) => /^db-salvage/.test(name))).toEqual([]);
      rmSync(data, { recursive: true });
    });
  }
});
