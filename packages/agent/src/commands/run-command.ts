/** Runs the check and reload commands: bounded in time and in what is kept of their output. */
import { type ChildProcess, spawn } from "node:child_process";
import { AgentError, reasonOf } from "../fault.ts";

/** Words, run as they are, or a text for `/bin/sh -c`. */
export type CommandLine = readonly string[] | string;

export interface CommandRun {
  readonly command: CommandLine;
  readonly timeoutMs: number;
  /** `{name}` in words, and `HEARSAY_NAME` in the environment. */
  readonly facts: Readonly<Record<string, string>>;
}

/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 2_000;
/** What a command leaves running (a daemon) may hold its output open; nobody waits for that longer than this. */
const DRAIN_MS = 100;
const OUTPUT_MAX_BYTES = 4096;

/** @throws AgentError `command_failed`, `command_timed_out` */
export async function runCommand(run: CommandRun): Promise<void> {
  const [file = "", ...words] = wordsOf(run);
  const shown = typeof run.command === "string" ? run.command : [file, ...words].join(" ");
  const environment = Object.entries(run.facts).map(([name, value]) => [
    `HEARSAY_${name.toUpperCase()}`,
    value,
  ]);
  let child: ChildProcess;
  try {
    child = spawn(file, words, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...Object.fromEntries(environment) },
    });
  } catch (error) {
    // Some of what keeps a program from starting is thrown at once: it is being written, a part of its path is a file.
    throw new AgentError(
      { code: "command_failed", command: shown, end: reasonOf(error), output: "" },
      { cause: error },
    );
  }
  const tail = new OutputTail(child);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void endGroup(child, KILL_AFTER_MS);
  }, run.timeoutMs);
  const end = await ended(child);
  clearTimeout(timer);
  const output = await tail.text();
  if (timedOut) {
    // A child of the command may have outlived it.
    signalGroup(child, "SIGKILL");
    throw new AgentError({ code: "command_timed_out", command: shown, afterMs: run.timeoutMs, output });
  }
  if (end !== "code 0") throw new AgentError({ code: "command_failed", command: shown, end, output });
}

function wordsOf({ command, facts }: CommandRun): readonly string[] {
  if (typeof command === "string") return ["/bin/sh", "-c", command];
  return command.map((word) =>
    word.replaceAll(/\{([a-z]+)\}/g, (whole, name: string) => facts[name] ?? whole),
  );
}

/** How it ended, in words; never rejects. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(reasonOf(error)));
    child.once("exit", (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
  });
}

/** Asks a child and all it has started to end, and kills what does not in time. */
async function endGroup(child: ChildProcess, killAfterMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = ended(child);
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), killAfterMs);
  await end;
  clearTimeout(timer);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended already.
  }
}

/** The last bytes of both outputs, in the order they came. */
class OutputTail {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #kept: Buffer = Buffer.alloc(0);

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once("close", () => resolve()));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (part: Buffer) => {
        this.#kept = Buffer.concat([this.#kept, part]).subarray(-OUTPUT_MAX_BYTES);
      });
      stream?.on("error", () => undefined);
    }
  }

  async text(): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    await Promise.race([this.#closed, enough]);
    clearTimeout(timer);
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy();
    return this.#kept.toString("utf8").trim();
  }
}
