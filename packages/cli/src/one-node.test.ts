import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import type { CliError } from "./failure.ts";
import { fromOneNode } from "./one-node.ts";

const init = {
  method: "GET",
  headers: {},
  redirect: "error",
  timeoutMs: 1_000,
  signal: new AbortController().signal,
} as const;

/** Answers in turn as the nodes of the list, and as its last one from then on; a status may stand behind a colon. */
function nodes(...turns: readonly string[]): {
  readonly fetch: () => Promise<Response>;
  readonly asked: () => number;
} {
  let asked = 0;
  const fetch = async (): Promise<Response> => {
    const [node = "", status = "200"] = (turns[Math.min(asked++, turns.length - 1)] ?? "").split(":");
    return new Response(node, {
      status: Number(status),
      headers: node === "" ? {} : { "Hearsay-Node": node },
    });
  };
  return { fetch, asked: () => asked };
}

function never(error: CliError): void {
  throw error;
}

describe("answers of one node", () => {
  it("are asked for again while another node answers", async () => {
    const { fetch, asked } = nodes("n1", "n2", "n3", "n1", "n2:503", "n1");
    const ask = fromOneNode(fetch, never);
    for (let i = 0; i < 3; i++) expect(await (await ask("http://h/", init)).text()).toBe("n1");
    expect(asked()).toBe(6);
  });

  it("are of the node that first did what was asked, not of one that refused", async () => {
    const ask = fromOneNode(nodes("n1:503", "n2").fetch, never);
    expect((await ask("http://h/", init)).status).toBe(503);
    expect(await (await ask("http://h/", init)).text()).toBe("n2");
  });

  it("leave alone what is no node's answer", async () => {
    const ask = fromOneNode(nodes("n1", ":502").fetch, never);
    await ask("http://h/", init);
    expect((await ask("http://h/", init)).status).toBe(502);
  });

  it("fail with the step to take when that node is not met again", async () => {
    const failures: CliError[] = [];
    const ask = fromOneNode(nodes("n1", "n2").fetch, (error) => void failures.push(error));
    await ask("http://h/", init);
    await expect(ask("http://h/", init)).rejects.toThrow("n1 answered first, and n2 after it");
    expect(failures).toMatchObject([
      { code: "several_nodes", exit: 1, next: expect.stringContaining("--endpoint") },
    ]);
  });
});

describe("behind a balancer of connections", () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it("the node is met again, though each connection that is kept leads to another one", async () => {
    let connections = 0;
    const server = createServer((request, response) => {
      response.setHeader("Hearsay-Node", `n${Reflect.get(request.socket, "turn") % 3}`).end("x");
    });
    server.on("connection", (socket) => Reflect.set(socket, "turn", connections++));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    // Two connections are kept, of which neither leads to the node.
    const ask = fromOneNode((target, how) => fetch(target, how), never);
    await (await ask(url, { ...init, headers: { Connection: "close" } })).text();
    await Promise.all((await Promise.all([fetch(url), fetch(url)])).map((answer) => answer.text()));
    for (let i = 0; i < 4; i++) {
      const answer = await ask(url, init);
      await answer.text();
      expect(answer.headers.get("hearsay-node")).toBe("n0");
    }
  });
});
