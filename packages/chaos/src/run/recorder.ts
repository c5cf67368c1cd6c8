import { createWriteStream, openSync, type WriteStream } from "node:fs";
import type { HistoryEvent } from "../history/events.ts";
import { History } from "../history/history.ts";
import { formatLine } from "../history/lines.ts";

/** Keeps what was seen, in memory for the checks and on disk for whoever wants to look. */
export class Recorder {
  readonly history: History = new History();
  readonly #file: WriteStream;
  readonly #startedMs: number = performance.now();
  #operations = 0;
  #failure: Error | undefined;

  /** @throws the system's error when the file cannot be made */
  constructor(path: string) {
    this.#file = createWriteStream(path, { fd: openSync(path, "w") });
    this.#file.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  /** Milliseconds since the beginning of the run. */
  nowMs(): number {
    return Math.round((performance.now() - this.#startedMs) * 1_000) / 1_000;
  }

  nextIndex(): number {
    return this.#operations++;
  }

  record(event: HistoryEvent): void {
    this.history.add(event);
    if (this.#failure === undefined && !this.#file.writableEnded) this.#file.write(formatLine(event));
  }

  /** @returns why the file does not have everything; the history in memory has it */
  close(): Promise<Error | undefined> {
    return new Promise((resolve) => this.#file.end(() => resolve(this.#failure)));
  }
}
