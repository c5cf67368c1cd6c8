/**
 * A million records: bulk import, memory, clean and unclean start, and the root after scattered writes. The keys are
 * real ones, the names of all npm packages, fetched on demand and no dependency.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { print } from "./report.ts";
import { scatteredRoot } from "./scattered-root.ts";
import { type Server, startNode } from "./servers.ts";

const RECORDS = 1_000_000;
const CLI = fileURLToPath(new URL("../../../packages/cli/dist/main.js", import.meta.url));
const run = promisify(execFile);

export async function bulk(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  try {
    const file = join(directory, "records.ndjson");
    const names = await packageNames(directory);
    await writeRecords(file, names);
    const data = join(directory, "data");
    let node = await startNode(data);
    await importAll(node, file);
    await node.stop();

    node = await startNode(data);
    print({
      name: "start with 1,000,000 records, clean",
      value: node.startMs,
      unit: "ms",
      target: { atMost: 1500 },
    });
    const idle = (await node.residentBytes()) / 1e6;
    print({
      name: "resident memory, idle with 1,000,000 records",
      value: idle,
      unit: "MB",
      target: { atMost: 200 },
    });
    await node.stop("SIGKILL");

    node = await startNode(data);
    print({
      name: "start with 1,000,000 records, after kill -9",
      value: node.startMs,
      unit: "ms",
      target: { atMost: 8000 },
    });
    await node.stop();
    await scatteredRoot(data, names);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function importAll(node: Server, file: string): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [CLI, "import", file, "--endpoint", node.url], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const begun = performance.now();
  const memory: number[] = [];
  const sampler = setInterval(() => {
    node.residentBytes().then(
      (bytes) => memory.push(bytes / 1e6),
      // The node has ended; the import reports that.
      () => clearInterval(sampler),
    );
  }, 1000);
  const [code] = await once(child, "exit");
  clearInterval(sampler);
  if (code !== 0) throw new Error(`import ended with ${code}`);
  const seconds = (performance.now() - begun) / 1000;
  print({
    name: "bulk import of 1,000,000 records, hearsay import",
    value: RECORDS / seconds,
    unit: "/s",
    target: { atLeast: 80_000 },
  });
  const half = Math.floor(memory.length / 2);
  const first = Math.max(...memory.slice(0, half));
  const second = Math.max(...memory.slice(half));
  print({
    name: "  node's memory, greatest in the second half",
    value: second,
    unit: "MB",
    target: undefined,
  });
  print({ name: "  of the greatest in the first half", value: second / first, unit: "x", target: undefined });
}

async function packageNames(directory: string): Promise<readonly string[]> {
  await run("npm", ["pack", "all-the-package-names@2.0.2578", "--silent"], { cwd: directory });
  await run("tar", ["xzf", "all-the-package-names-2.0.2578.tgz", "package/names.json"], { cwd: directory });
  const names: unknown = JSON.parse(await readFile(join(directory, "package", "names.json"), "utf8"));
  if (!Array.isArray(names) || names.length < RECORDS) throw new Error("fewer names than records");
  // Evenly over the whole alphabet.
  const step = Math.floor(names.length / RECORDS);
  return Array.from({ length: RECORDS }, (_, i) => String(names[i * step]));
}

async function writeRecords(file: string, names: readonly string[]): Promise<void> {
  const out = createWriteStream(file);
  const value = Buffer.alloc(100, "v").toString("base64");
  for (const key of names) {
    const line = `${JSON.stringify({ key, value, contentType: "text/plain" })}\n`;
    if (!out.write(line)) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}
