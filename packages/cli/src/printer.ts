import type { Io } from "./io.ts";

const BOLD = "\u001b[1m";
const DIM = "\u001b[2m";
const RED = "\u001b[31m";
const YELLOW = "\u001b[33m";
const GREEN = "\u001b[32m";
const RESET = "\u001b[0m";

/** Prints data to stdout and messages to stderr, coloured where a terminal reads them and NO_COLOR is not set. */
export class Printer {
  readonly json: boolean;
  readonly #io: Io;

  constructor(io: Io, options: { readonly json: boolean }) {
    this.#io = io;
    this.json = options.json;
  }

  /** One JSON document on a line of its own. */
  async document(value: unknown): Promise<void> {
    await this.#io.out.write(`${JSON.stringify(value)}\n`);
  }

  async line(text: string): Promise<void> {
    await this.#io.out.write(`${text}\n`);
  }

  /** Columns as wide as their widest cell; nothing is padded at a line's end. */
  async table(header: readonly string[], cells: readonly (readonly string[])[]): Promise<void> {
    const rows = cells.map((row) => row.map(shownKey));
    const widths = header.map((title, i) =>
      Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
    );
    const format = (row: readonly string[]): string =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd();
    await this.line(paint(this.#io, "out", BOLD, format(header)));
    for (const row of rows) await this.line(format(row));
  }

  /** A message beside the data. */
  async note(text: string): Promise<void> {
    await this.#io.err.write(`${text}\n`);
  }
}

function paint(io: Io, stream: "out" | "err", style: string, text: string): string {
  const coloured = io[stream].isTerminal && (io.env["NO_COLOR"] ?? "") === "";
  return coloured ? `${style}${text}${RESET}` : text;
}

export const style = {
  bad: (io: Io, stream: "out" | "err", text: string): string => paint(io, stream, RED, text),
  warn: (io: Io, stream: "out" | "err", text: string): string => paint(io, stream, YELLOW, text),
  good: (io: Io, stream: "out" | "err", text: string): string => paint(io, stream, GREEN, text),
  dim: (io: Io, stream: "out" | "err", text: string): string => paint(io, stream, DIM, text),
} as const;

/** Keys, and what peers say of themselves, may hold anything: control characters would steer the terminal, so such texts are shown as JSON. */
export function shownKey(key: string): string {
  return key.search(STEERING) === -1 ? key : JSON.stringify(key).replaceAll(STEERING, escaped);
}

const STEERING = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** JSON leaves those beyond ASCII as they are. */
function escaped(sign: string): string {
  const units = sign.split("");
  return units.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}

/** A value as JSON can carry it: text where it is UTF-8, otherwise base64. */
export function jsonValue(bytes: Uint8Array): { readonly text: string } | { readonly value: string } {
  try {
    return { text: strictUtf8.decode(bytes) };
  } catch {
    return { value: Buffer.from(bytes).toString("base64") };
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
