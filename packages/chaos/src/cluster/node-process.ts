/** One node as a child process. It ends when this process does, however that happens: their IPC channel closes. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";

/** A node asked to stop that has not ended after this long is killed; its own grace is shorter. */
const STOP_PATIENCE_MS = 20_000;

export interface NodePlace {
  readonly name: string;
  /** Directory of its data. */
  readonly data: string;
  /** File that gets its log. */
  readonly log: string;
}

/** How `hearsay` is run. */
export interface HearsayCommand {
  readonly file: string;
  readonly args: readonly string[];
}

export interface Ready {
  readonly url: string;
  readonly id: string;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NodeEvents {
  /** A line of its log of level error, or of its standard error. */
  complained(text: string): void;
}

/** Of its standard error, in the message about a node that did not start: what is wrong, and with which settings. */
const SAID_LINES_MAX = 8;
const SAID_LINE_LENGTH_MAX = 500;

/** A node ended before it was ready. */
export class NodeEndedError extends Error {
  readonly fault: { readonly code: "node_ended"; readonly name: string };
  readonly next: string;
  /** The first line of its standard error; empty when it has said nothing. */
  readonly complaint: string;

  /** @param lines the first ones of its standard error */
  constructor({ name, log }: NodePlace, ending: Ending, lines: readonly string[]) {
    const said = lines.length === 0 ? "" : `: ${lines.join("\n")}`;
    super(`${name} ended with ${describeEnding(ending)} before it was ready${said}`);
    this.name = "NodeEndedError";
    this.fault = { code: "node_ended", name };
    this.complaint = lines[0] ?? "";
    this.next = `All that it said is in its log: ${log}`;
  }
}

export class NodeProcess {
  readonly place: NodePlace;
  /** Settles when the process has ended, with all it wrote in its log file. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #events: NodeEvents;
  readonly #said: string[] = [];

  /** @param args of `serve`, beside those of the place */
  constructor(place: NodePlace, command: HearsayCommand, args: readonly string[], events: NodeEvents) {
    this.place = place;
    this.#events = events;
    this.#log = createWriteStream(place.log, { flags: "a", mode: 0o600 });
    this.#log.on("error", (error) => events.complained(`its log cannot be written: ${error.message}`));
    // In a session of its own, so that Ctrl-C reaches this process alone, which then stops the nodes.
    this.#child = spawn(
      command.file,
      [...command.args, "serve", "--with-parent", "--name", place.name, "--data", place.data, ...args],
      { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true },
    );
    this.ended = this.#watchEnd();
    this.#fileOutput();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Settles when the node listens. @throws NodeEndedError when it ends before */
  async ready(): Promise<Ready> {
    return await new Promise((resolve, reject) => {
      this.#child.on("message", (message: unknown) => {
        const ready = parseReady(message);
        if (ready !== undefined) resolve(ready);
      });
      this.ended.then((ending) => reject(new NodeEndedError(this.place, ending, this.#said)), reject);
    });
  }

  /** Asks it to stop, and kills it when it does not. */
  async stop(): Promise<Ending> {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => {
      this.#events.complained(`did not stop within ${STOP_PATIENCE_MS / 1000} s and is killed`);
      this.#child.kill("SIGKILL");
    }, STOP_PATIENCE_MS);
    const ending = await this.ended;
    clearTimeout(late);
    return ending;
  }

  async kill(): Promise<Ending> {
    this.#child.kill("SIGKILL");
    return await this.ended;
  }

  #fileOutput(): void {
    const { stdout, stderr } = this.#child;
    if (stdout !== null) {
      createInterface(stdout).on("line", (line) => {
        this.#log.write(`${line}\n`);
        const error = errorIn(line);
        if (error !== undefined) this.#events.complained(error);
      });
    }
    if (stderr !== null) {
      createInterface(stderr).on("line", (line) => {
        this.#log.write(`${line}\n`);
        if (this.#said.length < SAID_LINES_MAX) this.#said.push(line.slice(0, SAID_LINE_LENGTH_MAX));
        this.#events.complained(line);
      });
    }
  }

  #watchEnd(): Promise<Ending> {
    return new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void =>
        void this.#log.end(() => resolve({ code, signal }));
      this.#child.once("error", (error) => {
        this.#events.complained(error.message);
        end(null, null);
      });
      // Not "exit": what it wrote last is still to be read then.
      this.#child.once("close", end);
    });
  }
}

export function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `code ${code}` : signal;
}

function parseReady(message: unknown): Ready | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  if (!("url" in message && "id" in message)) return undefined;
  const { url, id } = message;
  return typeof url === "string" && typeof id === "string" ? { url, id } : undefined;
}

/** The event and its facts, when the line is a log entry of level error. */
function errorIn(line: string): string | undefined {
  if (!line.startsWith('{"level":"error"')) return undefined;
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null) return undefined;
    const {
      level: _,
      time: __,
      node: ___,
      event,
      ...facts
    } = { event: "", ...entry } as Record<string, unknown>;
    return `${String(event)} ${JSON.stringify(facts)}`;
  } catch {
    return line;
  }
}
