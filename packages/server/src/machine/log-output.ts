/**
 * The file descriptor that log lines go to. Its disk may be full, its reader slow, stopped or gone; none of that may hold up a node
 * or end it. What cannot be written is tried again, in order.
 *
 * Bound: {@link WAITING_MAX_BYTES} wait. Lines beyond that are dropped and counted, and said to be when writing goes on.
 */
import { write, writeSync } from "node:fs";

export interface LogOutputOptions {
  /** Called for each line that is dropped. */
  onDropped(): void;
  /** Called when all that waited is written, and lines were dropped meanwhile. */
  onResumed(dropped: number): void;
}

const WAITING_MAX_BYTES = 1024 * 1024;
const RETRY_MS = 50;
/** At the end of the process a pipe that is full is waited for, so often and so long. */
const LAST_TRIES = 100;
const LAST_PAUSE_MS = 10;
const NOTHING = new Uint8Array(0);

export class LogOutput {
  readonly #fd: number;
  readonly #options: LogOutputOptions;
  #waiting: string[] = [];
  #waitingLength = 0;
  /** What is being written, or to be tried again. */
  #inHand: Uint8Array = NOTHING;
  #isWriting = false;
  #isGone = false;
  #dropped = 0;

  constructor(fd: number, options: LogOutputOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  write(line: string): void {
    if (this.#isGone) return;
    if (this.#inHand.length + this.#waitingLength + line.length > WAITING_MAX_BYTES) {
      this.#dropped += 1;
      this.#options.onDropped();
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#inHand.length > 0) return;
    flushAtExit(this);
    this.#writeNext();
  }

  /** Writes as much as goes in a moment, before the process ends. */
  flush(): void {
    if (this.#isGone) return;
    const lines = Buffer.from(this.#waiting.join(""));
    const rest = this.#isWriting ? lines : Buffer.concat([this.#inHand, lines]);
    for (let at = 0, tries = 0; at < rest.length && tries < LAST_TRIES; ) {
      try {
        at += writeSync(this.#fd, rest, at);
      } catch (error) {
        // There is nobody left to tell.
        if (codeOf(error) !== "EAGAIN") return;
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_PAUSE_MS);
      }
    }
  }

  #writeNext(): void {
    if (this.#waiting.length === 0) {
      unwritten.delete(this);
      const dropped = this.#dropped;
      this.#dropped = 0;
      if (dropped > 0) this.#options.onResumed(dropped);
      return;
    }
    this.#inHand = Buffer.from(this.#waiting.join(""));
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#try();
  }

  #try(): void {
    this.#isWriting = true;
    write(this.#fd, this.#inHand, (error, written) => {
      this.#isWriting = false;
      if (error === null) {
        this.#inHand = this.#inHand.subarray(written);
        if (this.#inHand.length > 0) this.#try();
        else this.#writeNext();
      } else if (codeOf(error) === "EPIPE") this.#end();
      else setTimeout(() => this.#try(), RETRY_MS).unref();
    });
  }

  /** Nobody will read any of it. */
  #end(): void {
    this.#isGone = true;
    this.#waiting = [];
    this.#inHand = NOTHING;
    unwritten.delete(this);
  }
}

/** Outputs with lines that are not written yet. */
const unwritten = new Set<LogOutput>();
let isListening = false;

function flushAtExit(output: LogOutput): void {
  unwritten.add(output);
  if (isListening) return;
  isListening = true;
  process.once("exit", () => {
    for (const one of unwritten) one.flush();
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
