import { expect, it } from "vitest";
import { runAgainst } from "../against-node.contract.ts";

const who = { peer: "n2~abcdefghij", name: "n2" };
const moved = { keysSent: 0, keysReceived: 0, bytesSent: 0, bytesReceived: 0 };
const lines = [
  { event: "begin", ...who },
  { event: "failed", ...who, code: "unreachable" },
  { event: "end", members: 1, failed: 1, ...moved },
];

function repair(...args: readonly string[]): ReturnType<typeof runAgainst> {
  return runAgainst(
    (_, response) => {
      response.writeHead(200, { "Content-Type": "application/x-ndjson" });
      response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    },
    ["repair", ...args],
  );
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
