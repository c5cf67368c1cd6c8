/**
 * How soon a change on one node is in the files of agents on five, and how long a directory of 2,500 real files takes to
 * be held by every member of three. The files are the types of mime-db, one a file, fetched on demand and no dependency.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BenchCluster, pause, percentile, put } from "./nodes.ts";
import { print } from "./report.ts";

const CLI = fileURLToPath(new URL("../../../packages/cli/dist/main.js", import.meta.url));
const run = promisify(execFile);
const CHANGES = 200;
const FILES = 2_500;

export async function agent(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  try {
    await measureFiles(directory);
    await measureApply(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function measureFiles(directory: string): Promise<void> {
  const cluster = await BenchCluster.start(join(directory, "five"), 5, 1);
  const agents: ChildProcess[] = [];
  try {
    const [first] = cluster.nodes;
    if (first === undefined) throw new Error("no nodes");
    await put(first, "bench/value", "start");
    const folders = await Promise.all(
      cluster.nodes.map((node, i) => startAgent(directory, i, node.url, agents)),
    );
    for (const folder of folders) await contains(folder, "start", 60_000);
    const delays: number[] = [];
    for (let i = 0; i < CHANGES; i++) {
      const begun = performance.now();
      const there = folders.map((folder) => contains(folder, `value ${i}`, 30_000));
      await put(first, "bench/value", `value ${i}`);
      await Promise.all(there);
      delays.push(performance.now() - begun);
      await pause(20);
    }
    const name = "change on node 1 to the files of agents on 5 nodes";
    print({ name: `${name}, median`, value: percentile(delays, 0.5), unit: "ms", target: undefined });
    print({ name: `${name}, p99`, value: percentile(delays, 0.99), unit: "ms", target: { atMost: 150 } });
  } finally {
    for (const child of agents) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    await cluster.stop();
  }
}

async function startAgent(
  directory: string,
  i: number,
  url: string,
  agents: ChildProcess[],
): Promise<string> {
  const folder = join(directory, `agent-${i}`);
  await mkdir(join(folder, "out"), { recursive: true });
  await writeFile(join(folder, "t.eta"), `setting = <%= it.get("bench/value") %>\n`);
  const files = "files:\n  - { path: out/file, template: t.eta, prefixes: [bench/] }\n";
  await writeFile(join(folder, "agent.yaml"), `endpoints: ["${url}"]\nstate: state\n${files}`);
  const args = [CLI, "agent", "-c", join(folder, "agent.yaml")];
  agents.push(spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] }));
  return join(folder, "out");
}

/** Settles when the file in the folder has the value. */
async function contains(folder: string, value: string, atMostMs: number): Promise<void> {
  const path = join(folder, "file");
  const has = async (): Promise<boolean> =>
    (await readFile(path, "utf8").catch(() => "")) === `setting = ${value}\n`;
  for await (const _ of watchUntil(folder, atMostMs)) if (await has()) return;
}

/** Once at the beginning, and then whenever something in the folder changed. */
async function* watchUntil(folder: string, atMostMs: number): AsyncGenerator<void> {
  let changed = (): void => undefined;
  let failed = (_: Error): void => undefined;
  const watcher = watch(folder, () => changed());
  const timer = setTimeout(() => failed(new Error(`${folder} was never as it should be`)), atMostMs);
  try {
    for (;;) {
      const next = new Promise<void>((resolve, reject) => {
        changed = resolve;
        failed = reject;
      });
      yield;
      await next;
    }
  } finally {
    clearTimeout(timer);
    watcher.close();
  }
}

async function measureApply(directory: string): Promise<void> {
  const files = await mimeFiles(directory);
  const cluster = await BenchCluster.start(join(directory, "three"), 3, 1);
  try {
    const url = cluster.nodes[0]?.url ?? "";
    const begun = performance.now();
    const args = [CLI, "apply", files, "--prefix", "mime/", "--wait", "--json", "--endpoint", url];
    const { stdout } = await run(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 });
    const seconds = (performance.now() - begun) / 1000;
    const done: unknown = JSON.parse(stdout);
    if (!JSON.stringify(done).includes(`"created":${FILES}`)) throw new Error(stdout);
    const name = `apply --wait of ${FILES} files on 3 nodes`;
    print({ name: `${name}, the whole command`, value: seconds, unit: "s", target: { atMost: 3 } });
  } finally {
    await cluster.stop();
  }
}

/** Each type of mime-db as a file, and the first ones again under another name up to the number wanted. */
async function mimeFiles(directory: string): Promise<string> {
  await run("npm", ["pack", "mime-db@1.54.0", "--silent"], { cwd: directory });
  await run("tar", ["xzf", "mime-db-1.54.0.tgz", "package/db.json"], { cwd: directory });
  const db: unknown = JSON.parse(await readFile(join(directory, "package", "db.json"), "utf8"));
  if (typeof db !== "object" || db === null) throw new Error("mime-db has another form");
  const entries = Object.entries(db);
  for (let i = 0; i < FILES; i++) {
    const [type = "", facts] = entries[i % entries.length] ?? [];
    const path = join(directory, "files", i < entries.length ? type : `again/${type}`);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, `${JSON.stringify(facts, undefined, 2)}\n`);
  }
  return join(directory, "files");
}
