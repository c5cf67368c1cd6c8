import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Io } from "../io.ts";
import { run } from "../run.ts";

const who = { peer: "n2~abcdefghij", name: "n2" };
const moved = { keysSent: 0, keysReceived: 0, bytesSent: 0, bytesReceived: 0 };
const lines = [
  { event: "begin", ...who },
  { event: "failed", ...who, code: "unreachable" },
  { event: "end", members: 1, failed: 1, ...moved },
];

const server = createServer((_, response) => {
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function repair(...args: readonly string[]): Promise<{ readonly code: number; readonly err: string }> {
  let err = "";
  const io: Io = {
    out: { isTerminal: false, write: async () => undefined },
    err: {
      isTerminal: false,
      write: async (part) => {
        err += Buffer.from(part).toString();
      },
    },
    input: Object.assign(Readable.from([]), { isTerminal: false }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    stopped: new AbortController().signal,
  };
  return { code: await run(["repair", ...args], io), err };
}

it("a repair with one member that does not answer ends with 5, as diff does", async () => {
  const { code, err } = await repair("n2");
  expect({ code, err }).toMatchObject({
    code: 5,
    err: expect.stringContaining("the exchange with n2 failed"),
  });
});

it("a repair with all of which some failed ends with 1, and counts them", async () => {
  const { code, err } = await repair();
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining("1 exchange failed") });
});
