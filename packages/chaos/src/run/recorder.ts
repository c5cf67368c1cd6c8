import { createWriteStream, type WriteStream } from "node:fs";
import type { HistoryEvent } from "../history/events.ts";
import { History } from "../history/history.ts";
import { formatLine } from "../history/lines.ts";

/** Keeps what was seen, in memory for the checks and on disk for whoever wants to look. */
export class Recorder {
  readonly history: History = new History();
  readonly #file: WriteStream;
  readonly #startedMs: number = performance.now();
  #operations = 0;

  constructor(path: string) {
    this.#file = createWriteStream(path);
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
    this.#file.write(formatLine(event));
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#file.once("error", reject);
      this.#file.end(() => resolve());
    });
  }
}
