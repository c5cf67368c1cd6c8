/** Runs the real command in child processes. Everything waits for events, nothing for time. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const MAIN: string = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));

export interface Finished {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly out: Buffer;
  readonly text: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Nobody reads what it prints. */
  readonly unread?: true;
  /** Once what it has written to standard error matches, it gets SIGINT. */
  readonly interruptedAt?: RegExp;
}

/** The environment without settings of whoever runs the tests. */
function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("HEARSAY_"));
  return { ...Object.fromEntries(own), ...extra };
}

/** Runs a command to its end. */
export async function hearsay(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: environment(options.env ?? {}),
    stdio: "pipe",
  });
  const out: Buffer[] = [];
  let err = "";
  if (options.unread === true) child.stdout.destroy();
  child.stdout.on("data", (part: Buffer) => out.push(part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    err += part;
    if (options.interruptedAt?.test(err) === true && !child.killed) child.kill("SIGINT");
  });
  // A command that fails before it reads its input closes the pipe.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const whole = Buffer.concat(out);
  return { code: code ?? undefined, out: whole, text: whole.toString(), err };
}

/** The JSON documents a command printed, one a line. */
export function documents({ text }: Finished): unknown[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line): unknown => JSON.parse(line));
}

export interface RunningNode {
  readonly url: string;
  readonly log: () => string;
  /** What it has written to standard error. */
  readonly said: () => string;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const running = new Set<ChildProcess>();

/** What is tested is not what nodes refuse because the machine is busy with other tests. */
export const NEVER_OVERLOADED = ["scans", "writes", "reads"].flatMap((kind) => [
  "--set",
  `overload.${kind}LagMs=60000`,
]);

/** Starts `serve` on a free port and waits until it says that it is ready. */
export async function startNode(data: string, ...args: readonly string[]): Promise<RunningNode> {
  const child = spawn(
    process.execPath,
    [MAIN, "serve", "--name", "n1", "--data", data, "--listen", "127.0.0.1:0", ...NEVER_OVERLOADED, ...args],
    { env: environment({}), stdio: ["ignore", "pipe", "pipe"] },
  );
  running.add(child);
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  let log = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    log += part;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      err += part;
      const match = /^(?:Ready|Not ready): (http:\/\/\S+)$/m.exec(err);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
    void ended.then((code) =>
      reject(new Error(`serve ended with ${code} before it was ready:\n${log}${err}`)),
    );
  });
  return {
    url,
    log: () => log,
    said: () => err,
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Ends every node this process has started and that still runs. */
export async function endAllNodes(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      const closed = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      return closed;
    }),
  );
}

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "hearsay-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
