import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Settings } from "../config/knobs.ts";
import { type Harness, harness, listen, rawExchange } from "../testing/harness.ts";
import { Exchange } from "./exchange.ts";

let h: Harness;
afterEach(() => h.close());

async function start(overrides: Partial<Settings> = {}): Promise<number> {
  h = await harness(overrides);
  return (await listen(h.app)).port;
}

function request(method: string, target: string, headers: readonly string[] = [], body = ""): string {
  const length = body === "" ? [] : [`Content-Length: ${body.length}`];
  return [
    `${method} ${target} HTTP/1.1`,
    "Host: x",
    "Connection: close",
    ...length,
    ...headers,
    "",
    body,
  ].join("\r\n");
}

function status(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

function problemCode(answer: string): string {
  const body: unknown = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4));
  return typeof body === "object" && body !== null && "code" in body ? String(body.code) : "";
}

describe("keys on the wire", () => {
  it.each([
    ["a slash as it is", "/kv/a/b", "a/b"],
    ["an escaped slash, which is the same key", "/kv/a%2Fb", "a/b"],
    ["a NUL", "/kv/%00", "\0"],
    ["a dot", "/kv/.", "."],
    ["two dots", "/kv/..", ".."],
    ["dots in the middle", "/kv/a/../b", "a/../b"],
    ["two slashes", "/kv//", "/"],
    ["a trailing slash", "/kv/a/", "a/"],
    ["an escaped percent sign", "/kv/%25", "%"],
    ["a plus sign", "/kv/a+b", "a+b"],
    ["a composed letter", "/kv/%C3%A9", "\u00e9"],
    ["a decomposed one, which is another key", "/kv/e%CC%81", "e\u0301"],
    ["a byte order mark", "/kv/%EF%BB%BFa", "\ufeffa"],
    ["characters beyond the basic plane", "/kv/%F0%9F%98%80", "\u{1f600}"],
    ["the query form", "/kv?key=%2E%2E", ".."],
    ["a plus sign in the query form, which is a space", "/kv?key=a+b", "a b"],
    ["an absolute target", "http://x/kv/a", "a"],
    ["the longest key there is", `/kv/${"%C3%A9".repeat(512)}`, "\u00e9".repeat(512)],
  ])("%s", async (_, target, key) => {
    const port = await start();
    expect(status(await rawExchange(port, request("PUT", target, [], "v")))).toBe(201);
    expect([...h.store.committed.keys()]).toEqual([key]);
    const answer = await rawExchange(port, request("GET", target));
    expect([status(answer), answer.slice(-1)]).toEqual([200, "v"]);
  });

  it.each([
    ["an overlong encoding", "/kv/%C0%AF", 400, "invalid_key"],
    ["a lone surrogate", "/kv/%ED%A0%80", 400, "invalid_key"],
    ["half an escape", "/kv/%C", 400, "invalid_key"],
    ["bytes that are not escaped", "/kv/\xc3\xa9", 400, "bad_request"],
    ["a fragment", "/kv/a#b", 400, "invalid_key"],
    ["a byte too much", `/kv/${"%C3%A9".repeat(512)}a`, 400, "invalid_key"],
    ["an empty key in the query form", "/kv?key=", 400, "invalid_key"],
    ["a target that is too long", `/kv/${"a".repeat(9000)}`, 414, "uri_too_long"],
    ["a target longer than a head may be", `/kv/${"a".repeat(40_000)}`, 414, "uri_too_long"],
  ])("refuses %s", async (_, target, expected, code) => {
    const port = await start();
    const answer = await rawExchange(port, request("GET", target));
    expect([status(answer), problemCode(answer)]).toEqual([expected, code]);
    expect(answer).toContain("application/problem+json");
  });
});

describe("values on the wire", () => {
  it.each([
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "weird",
    'a/b; c="d"',
  ])("a body of type %s is stored unread", async (type) => {
    const port = await start();
    const body = "{ not: json\0\xff";
    expect(status(await rawExchange(port, request("PUT", "/kv/k", [`Content-Type: ${type}`], body)))).toBe(
      201,
    );
    const answer = await rawExchange(port, request("GET", "/kv/k"));
    expect(answer).toContain(`Content-Type: ${type}\r\n`);
    expect(answer.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  it("takes a body in chunks, and refuses one that grows over the limit", async () => {
    const port = await start({ "limits.maxValueBytes": 8 });
    const chunked = (body: string) =>
      `PUT /kv/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`;
    expect(status(await rawExchange(port, chunked("4\r\nabcd\r\n4\r\nefgh\r\n")))).toBe(201);
    expect((await rawExchange(port, request("GET", "/kv/k"))).endsWith("abcdefgh")).toBe(true);
    const refused = await rawExchange(port, chunked("4\r\nabcd\r\n5\r\nefghi\r\n"));
    expect([status(refused), problemCode(refused)]).toEqual([413, "body_too_large"]);
    expect(h.services.budget.used).toBe(0);
  });
});

describe("Expect: 100-continue", () => {
  const expecting = (target: string, length: number) =>
    `PUT ${target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;

  it("has the client go on where the body is wanted", async () => {
    const port = await start();
    const { socket, answer } = await halfSent(port, expecting("/kv/k", 1));
    expect(String(await once(socket, "data"))).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(`v${request("GET", "/livez")}`);
    expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 100", "HTTP/1.1 201", "HTTP/1.1 200"]);
  });

  it("is the only expectation that counts", async () => {
    const port = await start();
    const answer = await rawExchange(port, request("PUT", "/kv/k", ["Expect: more"], "v"));
    expect(status(answer)).toBe(201);
  });

  it.each([
    ["is too large", "/kv/k", 11, 413],
    ["has no place to go", "/kv/k?wrong=1", 1, 400],
    ["belongs to no path", "/nowhere", 1, 404],
  ])("spares the client a body that %s", async (_, target, length, expected) => {
    const port = await start({ "limits.maxValueBytes": 10 });
    const answer = await rawExchange(port, expecting(target, length));
    expect([status(answer), answer.includes("Connection: close")]).toEqual([expected, true]);
  });
});

/** A connection on which something was sent that does not end. */
async function halfSent(
  port: number,
  bytes: string,
): Promise<{ readonly socket: Socket; readonly answer: Promise<string> }> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const answer = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(text));
  });
  socket.write(bytes);
  return { socket, answer };
}

const QUICK: Partial<Settings> = {
  "limits.headersTimeoutMs": 100,
  "limits.requestTimeoutMs": 200,
  "limits.timeoutCheckMs": 20,
};

describe("limits of connections", () => {
  it("ends a head that does not arrive in time with 408", async () => {
    const port = await start(QUICK);
    const { answer } = await halfSent(port, "GET /kv/k HTTP/1.1\r\nHost: x\r\n");
    const text = await answer;
    expect([status(text), problemCode(text)]).toEqual([408, "request_timeout"]);
  });

  it("ends a body that does not arrive in time with 408, writes nothing and releases what it held", async () => {
    const port = await start(QUICK);
    const { answer } = await halfSent(port, "PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc");
    const text = await answer;
    expect([status(text), problemCode(text)]).toEqual([408, "request_timeout"]);
    expect(h.store.committed.size).toBe(0);
    expect(h.services.budget.used).toBe(0);
  });

  it("closes an idle connection", async () => {
    const port = await start({ "limits.keepAliveTimeoutMs": 50 });
    const { answer } = await halfSent(port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(status(await answer)).toBe(200);
  });

  it("refuses heads over the limit with 431", async () => {
    const port = await start();
    const answer = await rawExchange(port, request("GET", "/kv/k", [`X-Long: ${"a".repeat(20_000)}`]));
    expect([status(answer), problemCode(answer)]).toEqual([431, "headers_too_large"]);
  });

  it.each(["1.1", "1.0"])(
    "refuses what names two hosts with 400, in HTTP/%s, and writes nothing",
    async (version) => {
      const port = await start();
      for (const second of ["Host: y", "hOST: x"]) {
        const head = `PUT /kv/k HTTP/${version}\r\nHost: x\r\nContent-Length: 1\r\n${second}\r\nConnection: close`;
        const answer = await rawExchange(port, `${head}\r\n\r\nv`);
        expect([status(answer), problemCode(answer)]).toEqual([400, "bad_request"]);
      }
      expect(h.store.committed.size).toBe(0);
    },
  );

  it("sends no lines in HTTP/1.0, which would look whole wherever they are cut off, but pages", async () => {
    const port = await start();
    const lines = await rawExchange(port, "GET /kv HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n");
    expect([status(lines), problemCode(lines)]).toEqual([501, "not_implemented"]);
    const page = await rawExchange(port, "GET /kv HTTP/1.0\r\n\r\n");
    expect([status(page), page.includes("Content-Length: 24\r\n")]).toEqual([200, true]);
  });

  it("refuses what names no host with 400, but for HTTP/1.0, which need not", async () => {
    const port = await start();
    const answer = await rawExchange(port, "GET /kv/k HTTP/1.1\r\nConnection: close\r\n\r\n");
    expect([status(answer), problemCode(answer)]).toEqual([400, "bad_request"]);
    expect(status(await rawExchange(port, "GET /kv/k HTTP/1.0\r\n\r\n"))).toBe(404);
  });

  it("refuses what is no HTTP with 400", async () => {
    const port = await start();
    const answer = await rawExchange(port, "HELLO\r\n\r\n");
    expect([status(answer), problemCode(answer)]).toEqual([400, "bad_request"]);
  });

  it("closes connections over the limit at once", async () => {
    const port = await start({ "limits.maxConnections": 1 });
    const first = connect(port, "127.0.0.1");
    first.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(first, "data");
    const second = connect(port, "127.0.0.1");
    second.on("error", () => undefined);
    await once(second, "close");
    first.destroy();
  });

  it("refuses bodies over what may be in flight, and takes them again when the others are done", async () => {
    const port = await start({ "limits.maxInFlightBytes": 60 });
    const { socket } = await halfSent(
      port,
      "PUT /kv/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
    );
    await rawExchange(port, request("GET", "/livez"));
    const refused = await rawExchange(port, request("PUT", "/kv/k", [], "0123456789abc"));
    expect([status(refused), problemCode(refused)]).toEqual([503, "overloaded"]);
    expect(refused).toContain("Retry-After: 1");
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
    await rawExchange(port, request("GET", "/livez"));
    expect(status(await rawExchange(port, request("PUT", "/kv/k", [], "0123456789abc")))).toBe(201);
    expect(h.services.budget.used).toBe(0);
  });

  it.each([
    ["a stream", "GET /kv HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n"],
    ["a page", "GET /kv?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a value", "GET /kv/large HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "a value behind another",
      "GET /kv/k0 HTTP/1.1\r\nHost: x\r\n\r\nGET /kv/large HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
  ])("cuts %s whose reader takes nothing, and gives up its place", async (_, sent) => {
    const port = await start({ "limits.slowReaderTimeoutMs": 50, "limits.maxPageBytes": 64 * 1024 * 1024 });
    const sizes = new Map([["large", 12 * 1024 * 1024]]);
    for (let i = 0; i < 12; i++) sizes.set(`k${i}`, 1024 * 1024);
    for (const [key, size] of sizes) {
      const bytes = new Uint8Array(size);
      const content = { kind: "value", bytes, contentType: "x/y", ttlMs: null } as const;
      const written = h.services.node.write(key, content, undefined);
      if ("committed" in written) await written.committed;
    }
    const connected = once(h.app.server, "connection");
    const socket = connect(port, "127.0.0.1");
    socket.pause();
    socket.on("error", () => undefined);
    socket.write(sent);
    const [served] = await connected;
    await once(served, "close");
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1", 0, 64);
    });
    socket.resume();
    await once(socket, "close");
    expect(received.startsWith("HTTP/1.1 200")).toBe(true);
    expect(h.services.gate.scans).toBe(0);
  });

  it("cuts a connection whose reader takes nothing of many small answers", async () => {
    // No other time-out ends it first.
    const port = await start({ "limits.slowReaderTimeoutMs": 50, "limits.keepAliveTimeoutMs": 60_000 });
    const written = h.services.node.write(
      "small",
      { kind: "value", bytes: new Uint8Array(300), contentType: "text/plain", ttlMs: null },
      undefined,
    );
    if ("committed" in written) await written.committed;
    const fails = vi.spyOn(Exchange.prototype, "fail");
    const connected = once(h.app.server, "connection");
    const socket = connect(port, "127.0.0.1");
    socket.pause();
    socket.on("error", () => undefined);
    const many = "GET /kv/small HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    const [served] = await connected;
    let closed = false;
    served.once("close", () => {
      closed = true;
    });
    // Until the system holds no more for a reader that takes nothing.
    while (!closed && served.writableLength === 0) {
      socket.write(many);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!closed) await once(served, "close");
    expect(fails).not.toHaveBeenCalled();
    socket.destroy();
  });

  it.each([
    ["values", "/kv/large"],
    ["lists", "/kv/large?siblings=all"],
  ])(
    "makes no more of %s that are asked for in one go than a few before they are taken, and all in order",
    async (_, target) => {
      const port = await start();
      const content = {
        kind: "value",
        bytes: new Uint8Array(1024 * 1024),
        contentType: "x/y",
        ttlMs: null,
      } as const;
      const written = h.services.node.write("large", content, undefined);
      if ("committed" in written) await written.committed;
      const reads = vi.spyOn(h.services.node, "get");
      const socket = connect(port, "127.0.0.1");
      socket.pause();
      const asked = 40;
      socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(asked - 1));
      socket.write(request("PUT", "/kv/large", ["If-Match: *"], "new"));
      await once(h.app.server, "request");
      await expect.poll(() => reads.mock.calls.length).toBeGreaterThan(1);
      expect(reads.mock.calls.length).toBeLessThan(asked / 2);
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk.toString("latin1");
      });
      socket.resume();
      await once(socket, "close");
      expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(asked);
      expect(reads.mock.calls.length).toBeGreaterThanOrEqual(asked - 1);
    },
  );

  it("counts a page as a scan until its reader has taken it", async () => {
    const port = await start({ "limits.maxScans": 1, "limits.maxPageBytes": 64 * 1024 * 1024 });
    const bytes = new Uint8Array(12 * 1024 * 1024);
    const content = { kind: "value", bytes, contentType: "x/y", ttlMs: null } as const;
    const written = h.services.node.write("large", content, undefined);
    if ("committed" in written) await written.committed;
    const socket = connect(port, "127.0.0.1");
    socket.pause();
    socket.write("GET /kv HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await once(h.app.server, "request");
    await expect.poll(() => h.services.gate.scans).toBe(1);
    expect(problemCode(await rawExchange(port, request("GET", "/kv")))).toBe("overloaded");
    socket.resume();
    await once(socket, "close");
    await expect.poll(() => h.services.gate.scans).toBe(0);
  });
});
