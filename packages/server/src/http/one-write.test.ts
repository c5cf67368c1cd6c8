import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { rawExchange } from "../testing/harness.ts";
import { endInOneWrite } from "./one-write.ts";

const server = createServer();
afterEach(() => server.close());

/** What goes over the wire, without the date. */
async function onTheWire(requests: string, answer: (response: ServerResponse) => void): Promise<string> {
  server.removeAllListeners("request");
  server.on("request", (_, response) => answer(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return (await rawExchange(address.port, requests)).replaceAll(/^Date: .*\r\n/gm, "");
}

const BODY = "\x00\xff\r\n\r\nbody";
const HEAD = ["Content-Type", "x/y", "Content-Length", String(BODY.length)];

describe("an answer in one write", () => {
  it.each([
    ["one request", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
    ["HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    [
      "three requests at once",
      `${"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2)}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ],
  ])("is byte for byte what Node would send: %s", async (_, requests) => {
    const expected = await onTheWire(requests, (response) => {
      response.writeHead(200, HEAD);
      response.end(BODY, "latin1");
    });
    server.close();
    await once(server, "close");
    const actual = await onTheWire(requests, (response) => {
      response.writeHead(200, HEAD);
      endInOneWrite(response, BODY);
    });
    expect(actual).toBe(expected);
    expect(actual).toContain("HTTP/1.1 200 OK");
  });

  it("waits for the others of its turn, and no longer", async () => {
    const before: boolean[] = [];
    const after: boolean[] = [];
    await onTheWire("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (response) => {
      response.writeHead(200, HEAD);
      endInOneWrite(response, BODY);
      before.push(response.writableEnded);
      setImmediate(() => after.push(response.writableEnded));
    });
    expect({ before, after }).toEqual({ before: [false], after: [true] });
  });
});
