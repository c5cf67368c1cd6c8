/**
 * What a write costs while a thousand watch, told of every write or of none, against a node that nobody watches. Beside
 * it what the same bytes cost a bare process that has nothing else to do.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { median, print } from "./report.ts";
import { startNode } from "./servers.ts";
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
        const bareFactors: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          const load = { url: node.url, connections, seconds: SECONDS, script };
          const alone = await wrk(load);
          const watchers = await open(node.url, kind.prefix);
          const watched = await wrk(load);
          await settled(watchers);
          const { puts, bytes } = await close(watchers);
          if (watched.refused > 0) throw new Error(`${watched.refused} writes were refused`);
          const written = watched.requestsPerSecond * SECONDS;
          if (kind.prefix === "bench/" && puts < 0.95 * written) {
            throw new Error(`of ${Math.round(written)} writes a watcher was told of ${puts}`);
          }
          factors.push(alone.requestsPerSecond / watched.requestsPerSecond);
          if (kind.prefix !== "bench/" || connections === 1) continue;
          bareFactors.push(alone.requestsPerSecond / ((await bareBytesPerSecond()) / (bytes / puts)));
        }
        const what = `PUT ${name}, ${WATCHERS} watchers, ${kind.name}`;
        print({ name: what, value: median(factors), unit: "x", target: { atMost: 2 } });
        if (bareFactors.length === 0) continue;
        print({
          name: "  a bare process that only sends as many bytes",
          value: median(bareFactors),
          unit: "x",
          target: undefined,
        });
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

async function bareBytesPerSecond(): Promise<number> {
  const sender = fork(fileURLToPath(new URL("./bare-sender.js", import.meta.url)));
  const [url] = (await once(sender, "message")) as [string];
  const watchers = await open(url, "bench/");
  sender.send("begin");
  await setTimeout(SECONDS * 1_000);
  const { bytes, seconds } = await close(watchers);
  sender.kill("SIGKILL");
  await once(sender, "exit");
  return bytes / seconds;
}

async function open(url: string, prefix: string): Promise<ChildProcess> {
  const child = fork(WATCHERS_MAIN, [url, String(WATCHERS), prefix]);
  await once(child, "message");
  return child;
}

interface Report {
  readonly puts: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Waits until nothing comes any more. */
async function settled(child: ChildProcess): Promise<void> {
  for (let last = -1; ; ) {
    const { bytes } = await report(child);
    if (bytes === last) return;
    last = bytes;
    await setTimeout(500);
  }
}

async function report(child: ChildProcess): Promise<Report> {
  child.send("report");
  const [answer] = (await once(child, "message")) as [Report];
  return answer;
}

async function close(child: ChildProcess): Promise<Report> {
  const last = await report(child);
  child.kill("SIGKILL");
  await once(child, "exit");
  return last;
}
