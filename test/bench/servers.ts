/** Processes that a benchmark starts, measures and ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export interface Server {
  readonly url: string;
  readonly startMs: number;
  residentBytes(): Promise<number>;
  /** CPU seconds used so far. */
  cpuSeconds(): Promise<number>;
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** A node as a user starts it. `--listen` with port 0 unless the arguments say otherwise. */
export async function startNode(data: string, ...flags: readonly string[]): Promise<Server> {
  const listen = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  return await start([`${ROOT}packages/cli/dist/main.js`, "serve", "--data", data, ...listen, ...flags]);
}

/** A fastify route that returns a constant, and one that reads a body: what the node is compared with. */
export async function startBare(): Promise<Server> {
  return await start([fileURLToPath(new URL("./bare-server.js", import.meta.url))]);
}

async function start(args: readonly string[]): Promise<Server> {
  const begun = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const url = await ready(child);
  const startMs = performance.now() - begun;
  const { pid } = child;
  return {
    url,
    startMs,
    async residentBytes() {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    async cpuSeconds() {
      const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, "exit");
    },
  };
}

/** The first address a process names on either stream. */
async function ready(child: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    let seen = "";
    const look = (chunk: Buffer): void => {
      seen += chunk.toString();
      const found = /http:\/\/127\.[\d.]+:\d+/.exec(seen);
      if (found !== null) resolve(found[0]);
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.on("exit", (code) => reject(new Error(`ended with ${code} before it listened: ${seen}`)));
  });
}
