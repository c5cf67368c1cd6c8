import type { Io } from "./io.ts";

const REDRAW_MS = 100;

/** One line on a terminal's stderr that is drawn over again; nothing where no terminal is. */
export class ProgressLine {
  readonly #io: Io;
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  /** @param nowMs any clock that does not go back */
  constructor(io: Io, nowMs: () => number) {
    this.#io = io;
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  get seconds(): number {
    return (this.#nowMs() - this.#startedMs) / 1000;
  }

  /** @param text is called only when the line is drawn */
  update(text: () => string): void {
    const nowMs = this.#nowMs();
    if (!this.#io.err.isTerminal || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    this.#shown = true;
    this.#draw(text());
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) this.#draw("");
    this.#shown = false;
  }

  #draw(text: string): void {
    this.#io.err.write(`\r\u001b[K${text}`).catch(() => {
      // Progress that nobody can read any more is no reason to stop.
      this.#shown = false;
    });
  }
}

export function shownBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
