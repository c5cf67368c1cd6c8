/** The process as the commands see it. Tests hand in their own. */

export interface Output {
  /** Waits while the reader is slower than the writer. */
  write(chunk: string | Uint8Array): Promise<void>;
  readonly isTerminal: boolean;
  /** Whether whoever read it has gone away. What is written then is dropped; a command that does nothing but list ends. */
  readonly isGone?: boolean;
}

export interface Io {
  /** Data, and nothing else. */
  readonly out: Output;
  /** Messages, questions and progress. */
  readonly err: Output;
  readonly input: AsyncIterable<Uint8Array> & { readonly isTerminal: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly stopped: AbortSignal;
}

function toOutput(stream: NodeJS.WriteStream): Output {
  return {
    isTerminal: stream.isTTY === true,
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stream.write(chunk, (error) => (error == null ? resolve() : reject(error)));
      }),
  };
}

/** Whoever does not read the messages shall still get the data: what cannot be written counts as written. */
function forgiving(stream: NodeJS.WriteStream): Output {
  stream.on("error", () => undefined);
  const output = toOutput(stream);
  return { isTerminal: output.isTerminal, write: (chunk) => output.write(chunk).catch(() => undefined) };
}

/**
 * A reader that goes away (`hearsay verify | head`) is no failure, and no reason to leave undone what was asked for, or its
 * outcome untold. A disk that is full fails the command, by the write's own promise.
 */
function droppingUnread(stream: NodeJS.WriteStream): Output {
  stream.on("error", () => undefined);
  const output = toOutput(stream);
  let isGone = false;
  return {
    isTerminal: output.isTerminal,
    get isGone() {
      return isGone;
    },
    write: (chunk) =>
      output.write(chunk).catch((error: NodeJS.ErrnoException) => {
        isGone ||= error.code === "EPIPE";
        if (!isGone) throw error;
      }),
  };
}

/** The real process. */
export function processIo(): Io {
  const stopped = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      stopped.abort(new Stopped(name));
      // A command that waits for input has to notice.
      process.stdin.destroy();
    });
  }
  return {
    out: droppingUnread(process.stdout),
    err: forgiving(process.stderr),
    input: {
      isTerminal: process.stdin.isTTY === true,
      [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator](),
    },
    env: process.env,
    stopped: stopped.signal,
  };
}

/** The user or the system asked the command to end. */
export class Stopped extends Error {
  readonly signalName: "SIGINT" | "SIGTERM";

  constructor(signalName: "SIGINT" | "SIGTERM") {
    super(`stopped by ${signalName}`);
    this.name = "Stopped";
    this.signalName = signalName;
  }
}

export async function readAll(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of input) parts.push(part);
  return Buffer.concat(parts);
}
