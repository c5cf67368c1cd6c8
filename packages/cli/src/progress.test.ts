import { describe, expect, it } from "vitest";
import { ProgressLine, shownBytes } from "./progress.ts";

function drawnBy(isTerminal: boolean, updates: readonly number[]): string[] {
  const drawn: string[] = [];
  const output = {
    isTerminal,
    write: async (chunk: string | Uint8Array) => {
      drawn.push(String(chunk));
    },
  };
  let nowMs = 0;
  const io = {
    out: output,
    err: output,
    env: {},
    stopped: new AbortController().signal,
    input: {
      isTerminal,
      async *[Symbol.asyncIterator]() {
        yield new Uint8Array();
      },
    },
  };
  const line = new ProgressLine(io, () => nowMs);
  for (const at of updates) {
    nowMs = at;
    line.update(() => `at ${at}`);
  }
  line.end();
  line.end();
  return drawn;
}

describe("progress", () => {
  it("is drawn over again at most ten times a second, and taken away at the end", () => {
    expect(drawnBy(true, [0, 99, 100, 150, 199, 200, 1_000])).toEqual([
      "\r\u001b[Kat 0",
      "\r\u001b[Kat 100",
      "\r\u001b[Kat 200",
      "\r\u001b[Kat 1000",
      "\r\u001b[K",
    ]);
  });

  it("leaves files and pipes alone", () => {
    expect(drawnBy(false, [100, 1_000])).toEqual([]);
  });

  it("counts bytes in the unit that fits", () => {
    expect([0, 1023, 1024, 1_572_864, 3 * 1024 ** 4].map(shownBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 MiB",
      "3.0 TiB",
    ]);
  });
});
