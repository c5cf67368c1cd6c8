import { once } from "node:events";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import type { Io } from "../io.ts";
import { run } from "../run.ts";

it("an export that breaks off is not taken up by another node, which does not know what the first lacks", async () => {
  const item = { key: "a", version: "v", contentType: "text/plain", size: 1, value: "dg==" };
  let asked = 0;
  const node = createServer((_, answer) => {
    const isFirst = asked++ === 0;
    answer.setHeader("Content-Type", "application/x-ndjson").setHeader("Hearsay-Node", isFirst ? "n1" : "n2");
    if (isFirst) answer.write(`${JSON.stringify(item)}\n`, () => answer.destroy());
    else answer.end(`${JSON.stringify({ ...item, key: "b" })}\n`);
  }).listen(0, "127.0.0.1");
  await once(node, "listening");
  const address = node.address();
  let err = "";
  const io: Io = {
    out: { isTerminal: false, write: async () => undefined },
    err: {
      isTerminal: false,
      write: async (chunk) => {
        err += chunk;
      },
    },
    input: Object.assign(Readable.from([]), { isTerminal: false }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` },
    stopped: new AbortController().signal,
  };
  expect([await run(["export"], io), err]).toEqual([
    1,
    expect.stringContaining("n1 answered first, and n2 after it"),
  ]);
  node.closeAllConnections();
  node.close();
});
