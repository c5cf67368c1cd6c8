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
        await measure(node.url, { connections, script, name, kind });
      }
    }
  } finally {
    await node.stop();
    await rm(directory, { recursive: true });
  }
}

interface Case {
  readonly connections: number;
  readonly script: string;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
}

async function measure(url: string, { connections, script, name, kind }: Case): Promise<void> {
  const factors: number[] = [];
  const bareFactors: number[] = [];
  const delays: number[] = [];
  const isTold = kind.prefix === "bench/";
  for (let round = 0; round < ROUNDS; round++) {
    const load = { url, connections, seconds: SECONDS, script };
    const alone = await wrk(load);
    const watchers = await open(url, kind.prefix);
    const watched = await wrk(load);
    const endMs = Date.now();
    await settled(url, watchers);
    const report = await close(watchers);
    if (watched.refused > 0) throw new Error(`${watched.refused} writes were refused`);
    if (isTold) expectComplete(report, watched.requestsPerSecond * SECONDS);
    factors.push(alone.requestsPerSecond / watched.requestsPerSecond);
    delays.push(Math.max(0, report.lastEventMs - endMs) / 1_000);
    if (!isTold || connections === 1) continue;
    const { bytes, puts } = report;
    bareFactors.push(alone.requestsPerSecond / ((await bareBytesPerSecond()) / (bytes / puts)));
  }
  const what = `PUT ${name}, ${WATCHERS} watchers, ${kind.name}`;
  print({ name: what, value: median(factors), unit: "x", target: { atMost: 2 } });
  const aside = (text: string, value: number, unit: string): void =>
    print({ name: `  ${text}`, value, unit, target: undefined });
  if (isTold) aside("after the last write all had been told in", median(delays), "s");
  if (bareFactors.length > 0) {
    aside("a bare process that only sends as many bytes", median(bareFactors), "x");
  }
}

/** In a round every write is of another key: none may be missing, and no watcher may have got less than the first. */
function expectComplete({ puts, first, least }: Report, written: number): void {
  if (puts < 0.95 * written) {
    throw new Error(`of ${Math.round(written)} writes a watcher was told of ${puts}`);
  }
  if (least < 0.99 * first) throw new Error(`one watcher got ${least} bytes where another got ${first}`);
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
  /** What came to all of them, to the first one, and to the one that got least. */
  readonly bytes: number;
  readonly first: number;
  readonly least: number;
  readonly seconds: number;
  /** By the wall clock. */
  readonly lastEventMs: number;
}

/** Waits until the node has nothing left to tell, and nothing comes any more. */
async function settled(url: string, child: ChildProcess): Promise<void> {
  for (let last = -1; ; ) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const { bytes } = await report(child);
    if (bytes === last && /^hearsay_watch_lag_changes 0$/m.test(metrics)) return;
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
