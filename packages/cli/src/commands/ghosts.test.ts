import { createServer, type Server } from "node:http";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Io } from "../io.ts";
import { run } from "../run.ts";

const VERSION = "0g5xw1m2k3a-n1~abcdefghij";
const ITEM = {
  key: "greeting",
  version: VERSION,
  node: "n1~abcdefghij",
  time: "2030-01-01T00:00:00.000Z",
  contentType: "text/plain",
  size: 5,
  keptAt: "2030-01-02T00:00:00.000Z",
  why: "refused",
};
const REPORT = { node: "n2~abcdefghij", count: 1, max: 1024, items: [ITEM] };

let server: Server;
let asked: { readonly method: string; readonly url: string; readonly body: string }[];
let answer: { readonly status: number; readonly body: object };

beforeEach(async () => {
  asked = [];
  answer = { status: 200, body: REPORT };
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += String(part);
    });
    request.on("end", () => {
      asked.push({ method: request.method ?? "", url: request.url ?? "", body });
      response.writeHead(answer.status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function hearsay(...args: readonly string[]): Promise<Finished> {
  const texts = { out: "", err: "" };
  const output = (name: "out" | "err"): Io["out"] => ({
    isTerminal: false,
    write: async (part) => {
      texts[name] += Buffer.from(part).toString();
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  const io: Io = {
    out: output("out"),
    err: output("err"),
    input: Object.assign(Readable.from([]), { isTerminal: false }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${address.port}` },
    stopped: new AbortController().signal,
  };
  return { code: await run([...args], io), ...texts };
}

it("lists what is kept aside with when and why, and where it is", async () => {
  const { code, out } = await hearsay("ghosts", "--limit", "7");
  expect(code).toBe(0);
  expect(out).toContain("1 kept aside on n2~abcdefghij, of 1024 at most");
  expect(out).toMatch(new RegExp(`2030-01-02\\S+ +refused +2030-01-01\\S+ +5 +greeting@${VERSION}`));
  expect(asked).toEqual([{ method: "GET", url: "/cluster/ghosts?limit=7", body: "" }]);
  answer = { status: 200, body: { ...REPORT, count: 0, items: [] } };
  expect((await hearsay("ghosts")).out).toBe("nothing is kept aside on n2~abcdefghij\n");
  expect(JSON.parse((await hearsay("ghosts", "--json")).out)).toEqual(answer.body);
});

it("prints the value of one byte for byte, so that put can write it anew", async () => {
  answer = { status: 200, body: { ...REPORT, items: [{ ...ITEM, value: btoa("hello") }] } };
  const { code, out, err } = await hearsay("ghosts", `greeting@${VERSION}`);
  expect({ code, out }).toEqual({ code: 0, out: "hello" });
  expect(err).toContain("5 bytes of text/plain");
  expect(asked[0]?.url).toBe(
    `/cluster/ghosts?key=greeting&version=${encodeURIComponent(VERSION).replace("~", "%7E")}`,
  );
});

it("exits with 3 where one is not kept", async () => {
  answer = { status: 200, body: { ...REPORT, items: [] } };
  expect(await hearsay("ghosts", `greeting@${VERSION}`)).toMatchObject({ code: 3, out: "" });
});

it("discards what is named when it is told to, and not without being asked", async () => {
  answer = { status: 200, body: { key: "greeting", version: VERSION, left: 0 } };
  expect(await hearsay("ghosts", `greeting@${VERSION}`, "--discard")).toMatchObject({ code: 2, out: "" });
  expect(asked).toEqual([]);
  const { code, out } = await hearsay("ghosts", `greeting@${VERSION}`, "--discard", "--yes");
  expect({ code, out }).toEqual({ code: 0, out: `greeting@${VERSION} is forgotten, 0 are left\n` });
  const body = JSON.stringify({ key: "greeting", version: VERSION });
  expect(asked).toEqual([{ method: "POST", url: "/cluster/ghosts/discard", body }]);
  answer = { status: 404, body: { status: 404, code: "ghost_not_found", title: "It is gone", next: "n" } };
  const again = await hearsay("ghosts", `greeting@${VERSION}`, "--discard", "--yes");
  expect(again).toMatchObject({ code: 3, err: expect.stringContaining("It is gone") });
});

it.each([
  [["ghosts", "greeting"], "KEY@VERSION"],
  [["ghosts", "a@b", "c@d"], "only one"],
  [["ghosts", "--discard", "--yes"], "needs KEY@VERSION"],
])("%j exits with 2 and says why", async (args, reason) => {
  const { code, out, err } = await hearsay(...args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(reason);
});
