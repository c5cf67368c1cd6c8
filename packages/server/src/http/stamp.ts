/** Header values that many answers share, rendered once: a request a microsecond apart must not pay for a date. */
import { HEADERS } from "@hearsay/api";
import type { NodeId } from "@hearsay/core";

/** How many elements {@link Stamp.append} adds. */
export const STAMP_HEADERS = 4;

export class Stamp {
  readonly #node: NodeId;
  readonly #completeThroughMs: () => number;
  readonly #nowMs: () => number;
  #renderedMs = Number.NaN;
  #completeThrough = "";
  #modifiedSecond = Number.NaN;
  #modified = "";

  /** @param completeThroughMs every write made in that millisecond or before is held here */
  constructor(node: NodeId, completeThroughMs: () => number, nowMs: () => number) {
    this.#node = node;
    this.#completeThroughMs = completeThroughMs;
    this.#nowMs = nowMs;
  }

  /** Adds what every answer carries: which node it is from, and through which moment that node is complete. */
  append(headers: string[]): void {
    headers.push(HEADERS.node, this.#node, HEADERS.completeThrough, this.completeThrough());
  }

  /** The same for headers that were appended to before. */
  renew(headers: string[]): void {
    headers[headers.length - 1] = this.completeThrough();
  }

  /** ISO 8601. At most a millisecond behind what the node could claim, which keeps the claim true. */
  completeThrough(): string {
    const nowMs = this.#nowMs();
    if (nowMs !== this.#renderedMs) {
      this.#renderedMs = nowMs;
      this.#completeThrough = new Date(Math.max(0, this.#completeThroughMs())).toISOString();
    }
    return this.#completeThrough;
  }

  /** HTTP date (RFC 9110, section 5.6.7). */
  httpDate(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#modifiedSecond) {
      this.#modifiedSecond = second;
      this.#modified = new Date(second * 1000).toUTCString();
    }
    return this.#modified;
  }
}
