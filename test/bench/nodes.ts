/** Clusters for benchmarks: nodes on the loopback interface, several in a process or each in its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";

const HOST = fileURLToPath(new URL("./host.js", import.meta.url));
const CLOCK_TICKS_PER_SECOND = 100;

export interface BenchNode {
  readonly url: string;
  readonly pool: Pool;
}

export class BenchCluster {
  readonly nodes: BenchNode[] = [];
  readonly #children: ChildProcess[] = [];

  /** Starts `count` nodes in processes of `perProcess`, and waits until all take writes. */
  static async start(
    directory: string,
    count: number,
    perProcess: number,
    knobs: readonly string[] = [],
  ): Promise<BenchCluster> {
    const cluster = new BenchCluster();
    for (let first = 1; first <= count; first += perProcess) {
      const seed = cluster.nodes[0] === undefined ? "" : new URL(cluster.nodes[0].url).host;
      await cluster.#host(directory, first, Math.min(perProcess, count - first + 1), seed, knobs);
      if (first === 1 && perProcess > 1) await cluster.#joinFirst();
    }
    for (const node of cluster.nodes) await putPatiently(node, "probe", "x");
    return cluster;
  }

  /** CPU seconds all processes have used so far. */
  async cpuSeconds(): Promise<number> {
    let seconds = 0;
    for (const { pid } of this.#children) {
      const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
      seconds += (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
    }
    return seconds;
  }

  /** Memory that is in use by all processes. */
  async residentBytes(): Promise<number> {
    let kibibytes = 0;
    for (const { pid } of this.#children) {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      kibibytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
    }
    return kibibytes * 1024;
  }

  /** Bytes all sockets of all processes have written so far, heads of HTTP and answers to this process included. */
  async writtenBytes(): Promise<number> {
    const each = await this.#ask("written");
    return each.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** For how many percent of the time since it was last asked the process that fared worst stood still. */
  async stalledPercent(): Promise<number> {
    return Math.max(...(await this.#ask("stalled")));
  }

  /** A number from each process. */
  async #ask(what: "written" | "stalled"): Promise<number[]> {
    const answers: number[] = [];
    for (const { stdin, stdout } of this.#children) {
      if (stdin === null || stdout === null) continue;
      const answered = once(stdout, "data");
      stdin.write(`${what}\n`);
      const [line]: unknown[] = await answered;
      answers.push(Number(/^[a-z]+ ([\d.]+)/.exec(String(line))?.[1]));
    }
    return answers;
  }

  async stop(): Promise<void> {
    for (const { pool } of this.nodes) await pool.destroy();
    for (const child of this.#children) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
  }

  async #host(
    directory: string,
    first: number,
    count: number,
    seed: string,
    knobs: readonly string[],
  ): Promise<void> {
    const child = spawn(process.execPath, [HOST, directory, String(first), String(count), seed, ...knobs], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#children.push(child);
    let output = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.endsWith("all\n")) resolve();
      });
      child.on("exit", (code) => reject(new Error(`a host of nodes ended with ${code}`)));
    });
    for (const url of output.split("\n").filter((line) => line.startsWith("http"))) {
      this.nodes.push({ url, pool: new Pool(url, { connections: 16 }) });
    }
  }

  /** Nodes of the first process could not know the first one's port when they started. */
  async #joinFirst(): Promise<void> {
    const [first, ...rest] = this.nodes;
    for (const node of rest) {
      await post(node, "/cluster/join", { address: new URL(first?.url ?? "").host });
    }
  }
}

export async function post(node: BenchNode, path: string, body: unknown): Promise<unknown> {
  const answer = await node.pool.request({
    method: "POST",
    path,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return await answer.body.json();
}

export async function get(node: BenchNode, path: string): Promise<unknown> {
  const answer = await node.pool.request({ method: "GET", path });
  return await answer.body.json();
}

export async function put(
  node: BenchNode,
  key: string,
  value: string | Uint8Array,
  query: string = "",
): Promise<string> {
  const answer = await node.pool.request({ method: "PUT", path: `/kv/${key}${query}`, body: value });
  const text = await answer.body.text();
  if (answer.statusCode > 201) throw new Error(text);
  const { etag } = answer.headers;
  return typeof etag === "string" ? etag : "";
}

/** A write to a node that may be starting, joining or overloaded: comes back as a client would, until it is taken. */
export async function putPatiently(node: BenchNode, key: string, value: string): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const answer = await node.pool.request({ method: "PUT", path: `/kv/${key}`, body: value });
    const text = await answer.body.text();
    if (answer.statusCode <= 201) return;
    if (answer.statusCode !== 503 || performance.now() > deadline) throw new Error(text);
    await pause(Number(answer.headers["retry-after"] ?? 0) * 1000 || 50);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
