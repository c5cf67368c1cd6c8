/** What a write costs while a thousand watch, told of every write or of none, against a node that nobody watches. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, print } from "./report.ts";
import { type Server, startNode } from "./servers.ts";
import { wrk } from "./wrk.ts";

const WATCHERS = 1_000;
const ROUNDS = 3;
const SECONDS = 3;
const LOADS = [
  { connections: 64, name: "at 64 connections" },
  { connections: 1, name: "one after the other" },
] as const;
const KINDS = [
  { name: "of which each is told of every write", prefix: "bench/" },
  { name: "each of another prefix", prefix: "other/%d/" },
] as const;

export async function watch(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const node = await startNode(join(directory, "node"));
  try {
    const script = join(directory, "put.lua");
    await writeFile(script, PUT);
    for (const { connections, name } of LOADS) {
      for (const kind of KINDS) {
        const factors: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          const load = { url: node.url, connections, seconds: SECONDS, script };
          const alone = await wrk(load);
          const watchers = await open(node, kind.prefix);
          const watched = await wrk(load);
          const { puts } = await close(watchers);
          if (watched.refused > 0) throw new Error(`${watched.refused} writes were refused`);
          // The last ones may be on their way, and one write of each connection may be cut off by the end of the load.
          const written = watched.requestsPerSecond * SECONDS;
          if (kind.prefix === "bench/" && puts < 0.9 * written) {
            throw new Error(`of ${Math.round(written)} writes a watcher was told of ${puts}`);
          }
          factors.push(alone.requestsPerSecond / watched.requestsPerSecond);
        }
        const what = `PUT ${name}, ${WATCHERS} watchers, ${kind.name}`;
        print({ name: what, value: median(factors), unit: "x", target: { atMost: 2 } });
      }
    }
  } finally {
    await node.stop();
    await rm(directory, { recursive: true });
  }
}

const PUT = `local i = 0
request = function()
  i = i + 1
  return wrk.format("PUT", "/kv/bench/" .. (i % 100000), nil, string.rep("v", 100))
end
`;

const WATCHERS_MAIN = fileURLToPath(new URL("./watchers.js", import.meta.url));

async function open(node: Server, prefix: string): Promise<ChildProcess> {
  const child = fork(WATCHERS_MAIN, [node.url, String(WATCHERS), prefix]);
  await once(child, "message");
  return child;
}

async function close(child: ChildProcess): Promise<{ readonly puts: number }> {
  child.send("report");
  const [report] = (await once(child, "message")) as [{ puts: number }];
  child.kill("SIGKILL");
  await once(child, "exit");
  return report;
}
