import { expect, it } from "vitest";
import { runAgainst } from "./against-node.contract.ts";
import type { Output } from "./io.ts";

it.each([
  ["ls", { version: "v", contentType: "text/plain", size: 1 }],
  ["conflicts", { versions: ["v", "w"], context: "c" }],
])("%s goes through no further pages once nobody reads it any more", async (command, item) => {
  let asked = 0;
  const out: Output = {
    isTerminal: false,
    get isGone() {
      return asked > 1;
    },
    write: async () => {
      if (asked > 2) throw new Error("it goes on");
    },
  };
  const { code } = await runAgainst(
    (_, answer) => {
      asked += 1;
      answer
        .setHeader("Content-Type", "application/json")
        .end(JSON.stringify({ items: [{ ...item, key: `k${asked}` }], next: `k${asked}` }));
    },
    [command],
    out,
  );
  expect([code, asked]).toEqual([0, 2]);
});
