/** GET and PUT of 100 bytes at 64 connections, against a bare fastify route in the same run. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, print } from "./report.ts";
import { type Server, startBare, startNode } from "./servers.ts";
import { wrk } from "./wrk.ts";

const CONNECTIONS = 64;
const SECONDS = 5;
const ROUNDS = 3;
const KEYS = 100_000;
const BATCH = 1000;

export async function http(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const bare = await startBare();
  try {
    const node = await startNode(join(directory, "fsync"));
    const barePut = await script(directory, "bare-put.lua", "PUT", '"/constant"');
    const bareGet = await script(directory, "bare-get.lua", "GET", '"/constant"');
    const put = await script(directory, "put.lua", "PUT", '"/kv/bench/" .. i');
    const get = await script(directory, "get.lua", "GET", '"/kv/bench/" .. i');
    const hot = await script(directory, "hot.lua", "GET", '"/kv/bench/1"');
    await compare("PUT, fsync, of bare fastify PUT", 0.5, [bare, barePut], [node, put]);
    await fill(node);
    await compare("GET of one key, of bare fastify GET", 0.75, [bare, bareGet], [node, hot]);
    await compare(
      `GET of ${KEYS} keys in turn, of bare fastify GET`,
      undefined,
      [bare, bareGet],
      [node, get],
    );
    await node.stop();
    const buffered = await startNode(join(directory, "os"), "--set", "durability=os");
    await compare("PUT, os, of bare fastify PUT", 0.55, [bare, barePut], [buffered, put]);
    await buffered.stop();
  } finally {
    await bare.stop();
    await rm(directory, { recursive: true });
  }
}

/** Writes every key there is, since wrk starts anew with each run and keeps its first request to itself. */
async function fill(node: Server): Promise<void> {
  const value = Buffer.alloc(100, "v").toString("base64");
  for (let first = 1; first <= KEYS; first += BATCH) {
    const operations = Array.from({ length: BATCH }, (_, i) => ({
      op: "put",
      key: `bench/${first + i}`,
      value,
    }));
    const answer = await fetch(`${node.url}/kv`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ operations }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }
}

/** Runs a load against the yardstick and the node in turn, and takes the median of the ratios. */
async function compare(
  name: string,
  atLeast: number | undefined,
  [bare, bareScript]: readonly [Server, string],
  [node, nodeScript]: readonly [Server, string],
): Promise<void> {
  const ratios: number[] = [];
  const rates: number[] = [];
  const load = { connections: CONNECTIONS, seconds: SECONDS };
  for (let round = 0; round < ROUNDS; round++) {
    const yardstick = await wrk({ ...load, url: bare.url, script: bareScript });
    const measured = await wrk({ ...load, url: node.url, script: nodeScript });
    if (measured.refused > 0) throw new Error(`${name}: ${measured.refused} requests were refused`);
    ratios.push(measured.requestsPerSecond / yardstick.requestsPerSecond);
    rates.push(measured.requestsPerSecond);
  }
  print({ name: `  ${name}: rate`, value: median(rates), unit: "/s", target: undefined });
  print({ name, value: median(ratios), unit: "x", target: atLeast === undefined ? undefined : { atLeast } });
}

/** A wrk script that walks through {@link KEYS} keys, so that neither side answers from one hot record. */
async function script(
  directory: string,
  name: string,
  method: "GET" | "PUT",
  pathInLua: string,
): Promise<string> {
  const file = join(directory, name);
  const body = method === "PUT" ? 'wrk.body = string.rep("v", 100)' : "";
  await writeFile(
    file,
    `wrk.method = "${method}"
wrk.headers["Content-Type"] = "text/plain"
${body}
local requests = {}
init = function()
  for i = 1, ${KEYS} do requests[i] = wrk.format(nil, ${pathInLua}) end
end
local at = 0
request = function()
  at = at % ${KEYS} + 1
  return requests[at]
end
`,
  );
  return file;
}
