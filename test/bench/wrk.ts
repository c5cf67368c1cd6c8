/** Load by wrk, which is far cheaper for each request than anything in JavaScript and so measures the server. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** A Lua script for wrk. */
  readonly script?: string;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and 3xx. */
  readonly refused: number;
}

export async function wrk(load: Load): Promise<LoadResult> {
  const script = load.script === undefined ? [] : ["-s", load.script];
  const child = spawn("wrk", [
    "-t1",
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    "--latency",
    ...script,
    load.url,
  ]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.on("error", () => {
    process.stderr.write("wrk is not on the PATH: install it (Debian: apt-get install wrk)\n");
    process.exit(1);
  });
  await once(child, "close");
  const requestsPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? Number.NaN);
  const [, latency, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(output) ?? [];
  const scale = unit === "us" ? 0.001 : unit === "s" ? 1000 : 1;
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  return { requestsPerSecond, p99Ms: Number(latency) * scale, refused };
}
