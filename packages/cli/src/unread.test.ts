import { once } from "node:events";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import type { Io } from "./io.ts";
import { run } from "./run.ts";

it.each([
  ["ls", { version: "v", contentType: "text/plain", size: 1 }],
  ["conflicts", { versions: ["v", "w"], context: "c" }],
])("%s goes through no further pages once nobody reads it any more", async (command, item) => {
  let asked = 0;
  const node = createServer((_, answer) => {
    asked += 1;
    answer
      .setHeader("Content-Type", "application/json")
      .end(JSON.stringify({ items: [{ ...item, key: `k${asked}` }], next: `k${asked}` }));
  }).listen(0, "127.0.0.1");
  await once(node, "listening");
  const address = node.address();
  const io: Io = {
    out: {
      isTerminal: false,
      get isGone() {
        return asked > 1;
      },
      write: async () => {
        if (asked > 2) throw new Error("it goes on");
      },
    },
    err: { isTerminal: false, write: async () => undefined },
    input: Object.assign(Readable.from([]), { isTerminal: false }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` },
    stopped: new AbortController().signal,
  };
  expect([await run([command], io), asked]).toEqual([0, 2]);
  node.closeAllConnections();
  node.close();
});
