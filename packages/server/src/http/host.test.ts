import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, harness, listen, rawExchange } from "../testing/harness.ts";
import { HostCheck } from "./host.ts";
import { ApiProblem } from "./problem.ts";

const BROWSER = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "accept-language": "en" };

function refused(
  host: string | undefined,
  headers: object,
  address = "127.0.0.1",
  names: string[] = [],
): boolean {
  try {
    new HostCheck(names).admit(
      { ...headers, ...(host === undefined ? {} : { host }) },
      { localAddress: address },
    );
    return false;
  } catch (error) {
    if (error instanceof ApiProblem && error.code === "host_refused") return true;
    throw error;
  }
}

describe("a page that reaches a node of its reader's machine", () => {
  it("may call it by an address, as localhost, and by names that are its own", () => {
    const names = ["n1.example", "Kv.Example"];
    const hosts = [
      "127.0.0.1:7171",
      "[::1]:7171",
      "10.0.0.7",
      "localhost",
      "LOCALHOST.:7171",
      "a.localhost:1",
    ];
    for (const host of [...hosts, "n1.example:7171", "kv.example."])
      expect([host, refused(host, BROWSER, "127.0.0.1", names)]).toEqual([host, false]);
    expect(refused("evil.example", BROWSER, "127.0.0.1", ["*"])).toBe(false);
  });

  it("is refused by any other name, whatever it does to its headers", () => {
    for (const host of [
      "evil.example:7171",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "1.2.3",
      "[::1].x",
      "",
    ]) {
      expect([host, refused(host, BROWSER)]).toEqual([host, true]);
    }
    const altered = [
      { "user-agent": "curl/8.5.0", "accept-language": "" },
      { "user-agent": "", "accept-language": "*" },
      { origin: "http://evil.example:7171" },
      { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" },
    ];
    for (const headers of altered)
      expect([headers, refused("evil.example", headers)]).toEqual([headers, true]);
    for (const address of ["::1", "::ffff:127.0.0.1", "127.8.0.1"])
      expect(refused("evil.example", BROWSER, address)).toBe(true);
  });

  it("leaves programs alone, and nodes that others reach by whatever name", () => {
    const programs = [
      { "user-agent": "curl/8.5.0", accept: "*/*" },
      { "user-agent": "node", "accept-language": "*", "sec-fetch-mode": "cors" },
      { "user-agent": "Consul Template", "accept-encoding": "gzip" },
    ];
    for (const headers of programs) expect(refused("kv.example", headers)).toBe(false);
    expect(refused(undefined, BROWSER)).toBe(false);
    for (const address of ["10.0.0.7", "2001:db8::1"])
      expect(refused("kv.example", BROWSER, address)).toBe(false);
  });

  it("is remembered by no more hosts than the bound", () => {
    const check = new HostCheck([]);
    for (let i = 0; i < 1_000; i++)
      check.admit({ host: `h${i}.localhost`, ...BROWSER }, { localAddress: "127.0.0.1" });
    expect(() => check.admit({ host: "evil.example", ...BROWSER }, { localAddress: "127.0.0.1" })).toThrow(
      ApiProblem,
    );
  });
});

describe("a node", () => {
  let node: Harness;
  let port: number;
  beforeAll(async () => {
    node = await harness({ "security.hosts": ["kv.example"] });
    ({ port } = await listen(node.app));
  });
  afterAll(() => node.close());

  const ask = (request: string, host: string, headers: string): Promise<string> =>
    rawExchange(port, `${request} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}\r\n`);

  it("refuses its reads and writes alike, Consul's too, and does nothing", async () => {
    const page = "User-Agent: Mozilla/5.0\r\nAccept-Language: en\r\n";
    const write = `${page}Origin: http://evil.example:${port}\r\nContent-Length: 0\r\n`;
    for (const request of [
      "GET /kv/k",
      "GET /kv",
      "GET /watch?prefix=",
      "GET /cluster",
      "GET /v1/kv/?recurse",
      "GET /metrics",
    ]) {
      const answer = await ask(request, `evil.example:${port}`, page);
      expect([request, answer]).toEqual([request, expect.stringMatching(/^HTTP\/1\.1 421 .*host_refused/s)]);
    }
    for (const request of [
      "PUT /kv/k",
      "DELETE /kv/k",
      "PUT /v1/kv/k",
      "POST /cluster/leave",
      "POST /peer/ping",
    ]) {
      const answer = await ask(request, `evil.example:${port}`, write);
      expect([request, answer]).toEqual([
        request,
        expect.stringMatching(/^HTTP\/1\.1 421 .*"outcome":"none"/s),
      ]);
    }
    expect(
      await ask(
        "PUT /kv/k",
        "kv.example",
        write.replace("evil.example", "kv.example").replace(`:${port}`, ""),
      ),
    ).toMatch(/^HTTP\/1\.1 201 /);
    expect(await ask("GET /kv/k", "other.example", "User-Agent: curl/8.5.0\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  });
});
