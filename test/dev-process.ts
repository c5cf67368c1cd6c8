/** Runs `hearsay dev`, and what else goes on until it is ended, as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NEVER_OVERLOADED } from "./cli-process.ts";

const MAIN = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));

export interface DevNode {
  readonly name: string;
  readonly id: string;
  readonly url: string;
  readonly pid: number;
  readonly data: string;
  readonly log: string;
}

export interface SpawnedDev {
  /** All it has said on standard error. */
  readonly said: () => string;
  /** Settles with what it prints first; rejects when it ends before. */
  readonly printed: Promise<string>;
  /** Sends the signal and waits for the end of the command itself. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface RunningDev extends SpawnedDev {
  readonly nodes: readonly DevNode[];
}

const running = new Set<ChildProcess>();

/** Starts a cluster on free ports. */
export function spawnDev(cwd: string, ...args: readonly string[]): SpawnedDev {
  return spawnHearsay(cwd, "dev", "--port", "0", "--json", ...NEVER_OVERLOADED, ...args);
}

/** Starts a command that runs until it is told to end. */
export function spawnHearsay(cwd: string, ...args: readonly string[]): SpawnedDev {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("HEARSAY_"));
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: Object.fromEntries(own),
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const ended = new Promise<number | null>((resolve) => {
    // Not "close": nodes that outlive it would hold its streams open.
    child.once("exit", (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    said += part;
  });
  let out = "";
  const printed = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      out += part;
      if (out.endsWith("\n")) resolve(out);
    });
    void ended.then((code) => reject(new Error(`it ended with ${code} before it was ready:\n${said}`)));
  });
  printed.catch(() => undefined);
  return {
    said: () => said,
    printed,
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Starts a cluster on free ports and waits until it takes writes. */
export async function startDev(cwd: string, ...args: readonly string[]): Promise<RunningDev> {
  const dev = spawnDev(cwd, ...args);
  return { ...dev, nodes: nodesIn(await dev.printed) };
}

function nodesIn(out: string): readonly DevNode[] {
  const { nodes } = JSON.parse(out) as { readonly nodes: readonly DevNode[] };
  return nodes;
}

/** Ends every cluster this process has started and that still runs; their nodes end with them. */
export async function endAllDevs(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      return exited;
    }),
  );
}

/** A process that has ended and that nobody has taken note of runs no more. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    return state !== "Z";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // Without /proc nothing more can be said than that the signal found it.
    if (code === "ENOENT") return process.platform !== "linux";
    return code !== "ESRCH";
  }
}
