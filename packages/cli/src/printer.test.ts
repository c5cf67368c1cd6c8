import { expect, it } from "vitest";
import type { Io, Output } from "./io.ts";
import { Printer, shownKey } from "./printer.ts";

it.each(["\u009b2J", "\u202egnp.exe", "a\u{e0041}", "\n", "\u2028", "\u007f"])(
  "%j is shown in printable signs, as JSON that stands for it",
  (key) => {
    expect(shownKey(key)).toMatch(/^[ -~]+$/);
    expect(JSON.parse(shownKey(key))).toBe(key);
  },
);

it("a table shows what would steer the terminal as JSON, and the rest as it is", async () => {
  let text = "";
  const out: Output = {
    isTerminal: false,
    write: async (chunk) => {
      text += String(chunk);
    },
  };
  const io: Io = {
    out,
    err: out,
    input: {
      isTerminal: false,
      async *[Symbol.asyncIterator]() {
        yield new Uint8Array(0);
      },
    },
    env: {},
    stopped: new AbortController().signal,
  };
  await new Printer(io, { json: false }).table(
    ["NAME", "ADDRESS", "NOTE"],
    [
      ["n1", "127.0.0.1:1\u001b[31m", "zone z\u001b[2J\nfake"],
      ["n2", 'b:"1"', ""],
    ],
  );
  expect(text.split("\n")).toEqual([
    "NAME  ADDRESS                  NOTE",
    'n1    "127.0.0.1:1\\u001b[31m"  "zone z\\u001b[2J\\nfake"',
    'n2    b:"1"',
    "",
  ]);
});
