/** What a run did, as a hash for comparing runs, and as lines for people. */
import { encodeUtf8, type Hashing } from "@hearsay/core";

/** Lines that are kept, the newest. */
const LINES_MAX = 5_000;

export class Trace {
  readonly #hashing: Hashing;
  readonly #nowMs: () => number;
  readonly #keeps: boolean;
  readonly #lines: string[] = [];
  #low = 0;
  #events = 0;

  /** @param keeps whether lines are kept */
  constructor(hashing: Hashing, nowMs: () => number, keeps: boolean) {
    this.#hashing = hashing;
    this.#nowMs = nowMs;
    this.#keeps = keeps;
  }

  /** 16 hexadecimal digits: a running checksum of every message, commit and action in its order, and their number. */
  get hash(): string {
    return this.#low.toString(16).padStart(8, "0") + this.#events.toString(16).padStart(8, "0");
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Something of which only the order and the content count. */
  bytes(bytes: Uint8Array): void {
    this.#events += 1;
    this.#low = this.#hashing.crc32(bytes, this.#low);
  }

  /**
   * Something people are told.
   * @param told what the line says in the place of the text, which alone enters the checksum; called only where lines are kept
   */
  note(text: string, told: () => string = () => text): void {
    const at = (this.#nowMs() / 1000).toFixed(3);
    this.bytes(encodeUtf8(`${at} ${text}`));
    if (!this.#keeps) return;
    this.#lines.push(`${at} ${told()}`);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }
}
