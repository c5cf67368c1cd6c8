import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Stopped } from "../io.ts";
import { LocalCluster } from "./local-cluster.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-local-"));
afterAll(() => rmSync(directory, { recursive: true }));

it("a cluster that is stopped before its first node is started starts none", async () => {
  const events = { complained: () => undefined, lost: () => undefined };
  const cluster = new LocalCluster({ ports: [0, 0], directory, set: [] }, events);
  const asked = new AbortController();
  const started = cluster.start(asked.signal);
  asked.abort(new Stopped("SIGINT"));
  await expect(started).rejects.toThrow(Stopped);
  expect(await cluster.stop()).toEqual([]);
  await expect(cluster.startNode(0)).rejects.toThrow("being stopped");
  expect([cluster.running, readdirSync(directory)]).toEqual([0, []]);
});
