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
  #isInterrupted = false;
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
    if (this.#isInterrupted && event.type !== "op" && event.type !== "fault") return;
    this.#keep(event);
  }

  /**
   * Whoever runs it has had enough. What becomes of the nodes from now on is no part of the run; of what was under way the outcome still
   * is, as a node may have shown it already.
   */
  interrupt(): void {
    if (this.history.endMs > 0) return;
    this.#isInterrupted = true;
    if (this.history.begin !== undefined) this.#keep({ type: "interrupted", atMs: this.nowMs() });
  }

  #keep(event: HistoryEvent): void {
    this.history.add(event);
    if (this.#failure === undefined && !this.#file.writableEnded) this.#file.write(formatLine(event));
  }

  /** @returns why the file does not have everything; the history in memory has it */
  close(): Promise<Error | undefined> {
    return new Promise((resolve) => this.#file.end(() => resolve(this.#failure)));
  }
}
