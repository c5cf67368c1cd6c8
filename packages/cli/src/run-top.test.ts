import { once } from "node:events";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { type Io, Stopped } from "./io.ts";
import { run } from "./run.ts";

const STATUS = {
  cluster: "c",
  node: "n1~0123456789",
  watermark: null,
  watermarkAgeMs: null,
  writable: true,
  notWritable: null,
  totals: { members: 0, live: 0, keys: 0, bytes: 0 },
  members: [],
};
const CONVERGENCE = {
  verdict: "converged",
  watermark: null,
  watermarkAgeMs: null,
  heldBackBy: [],
  newsAgeMs: 0,
};

it("top says that the node it began to ask is gone, and goes on with another one", async () => {
  const screens: string[] = [];
  const stopped = new AbortController();
  const node = createServer(({ url }, answer) => {
    const isVerdict = url === "/cluster/convergence";
    answer
      .setHeader("Content-Type", "application/json")
      .setHeader("Hearsay-Node", isVerdict || screens.length > 0 ? "n2" : "n1")
      .end(JSON.stringify(isVerdict ? CONVERGENCE : STATUS));
  }).listen(0, "127.0.0.1");
  await once(node, "listening");
  const address = node.address();
  const io: Io = {
    out: {
      isTerminal: true,
      write: async (screen) => {
        screens.push(String(screen));
        if (screens.length === 2) stopped.abort(new Stopped("SIGINT"));
      },
    },
    err: { isTerminal: true, write: async () => undefined },
    input: Object.assign(Readable.from([]), { isTerminal: true }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` },
    stopped: stopped.signal,
  };
  expect(await run(["top", "--interval", "1ms"], io)).toBe(0);
  node.closeAllConnections();
  node.close();
  expect(screens).toEqual([
    expect.stringContaining("n1 answered first, and n2 after it"),
    expect.stringContaining("converged: "),
  ]);
});
