import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Stopped } from "../io.ts";
import { LocalCluster, type LocalNode, untilWritable } from "./local-cluster.ts";

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

it("a node that too few others run beside is told of with what brings it back", async () => {
  const problem = {
    status: 503,
    code: "joining",
    title: "it joins",
    detail: "d",
    next: "n",
    outcome: "none",
  };
  const server = createServer((_, response) => {
    response.writeHead(503, { "Content-Type": "application/problem+json" }).end(JSON.stringify(problem));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const node = {
    name: "n1",
    data: "data/n1",
    log: "data/n1.log",
    ready: { url, id: "n1~0123456789" },
    process: { runs: false },
  } as unknown as LocalNode;
  await expect(untilWritable(node, new AbortController().signal)).rejects.toMatchObject({
    code: "not_writable",
    next: expect.stringMatching(/More than half.*--nodes.*reset --alone --data data\/n1 .*data\/n1\.log/s),
  });
  server.close();
});
