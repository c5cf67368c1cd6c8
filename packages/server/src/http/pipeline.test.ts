/** Pipelined requests whose client goes away before the turn of their answers has come. */
import { once } from "node:events";
import fs from "node:fs";
import { IncomingMessage, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { formatVersion } from "@hearsay/core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Indexes } from "../consul/blocking.ts";
import { type Harness, harness, listen } from "../testing/harness.ts";
import { countQueued, inTurn } from "./pipeline.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await h.close();
});

function request(line: string, ...headers: readonly string[]): string {
  return [`${line} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
}

/** Sends it twice behind a poll that goes on, and closes the connection once both are under way. */
async function leaveBehind(sent: string, areUnderWay: () => boolean): Promise<void> {
  const { port } = await listen(h.app);
  const socket = connect(port, "127.0.0.1");
  socket.write(request(`GET /watch?wait=10m&since=${h.services.watch.moment().text}`) + sent.repeat(2));
  await expect.poll(areUnderWay).toBe(true);
  socket.destroy();
}

it("pages give up their scans", async () => {
  const { gate } = h.services;
  await leaveBehind(request("GET /kv"), () => gate.scans === 2);
  await expect.poll(() => gate.scans).toBe(0);
});

it("batches that read give up their scans, and what their bodies took of the budget", async () => {
  const { gate, budget } = h.services;
  const body = '{"operations":[{"op":"get","key":"k"}]}';
  const head = request("POST /kv", "Content-Type: application/json", `Content-Length: ${body.length}`);
  await leaveBehind(head + body, () => gate.scans === 2 && budget.used > 0);
  await expect.poll(() => [gate.scans, budget.used]).toEqual([0, 0]);
});

it.each([
  ["streams of events", () => "/watch"],
  ["long polls", () => `/watch?wait=10m&since=${h.services.watch.moment().text}`],
  [
    "blocking queries",
    () => `/v1/kv/k?stale&wait=10m&index=${new Indexes(h.services.watch).of({ key: "k", isPrefix: false })}`,
  ],
])("%s no longer watch", async (_, target) => {
  const { watch } = h.services;
  await leaveBehind(request(`GET ${target()}`), () => watch.watchers === 3);
  await expect.poll(() => watch.watchers).toBe(0);
});

it("reads that wait for a version wait no longer", async () => {
  const { node } = h.services;
  const after = formatVersion({ time: 2 ** 50, node: "n2~0123456789" });
  await leaveBehind(request("GET /kv/k?timeout=10m", `Hearsay-After: ${after}`), () => node.waiting === 2);
  await expect.poll(() => node.waiting).toBe(0);
});

it("files of the documentation are closed", async () => {
  const opened = vi.spyOn(fs, "createReadStream");
  const file = request("GET /docs/static/swagger-ui-bundle.js");
  await leaveBehind(file, () => opened.mock.results.length === 2);
  const files = opened.mock.results.map(({ value }) => value as fs.ReadStream);
  await expect.poll(() => files.map(({ closed }) => closed)).toEqual([true, true]);
});

it("files of the documentation are closed that are opened when their client has gone away", async () => {
  const opened = vi.spyOn(fs, "createReadStream");
  const { stat } = fs;
  const isClosed = new Promise<void>((resolve) => {
    h.app.server.on("connection", (socket) => socket.once("close", () => resolve()));
  });
  const looks = vi.spyOn(fs, "stat").mockImplementation(((path: string, done: () => void) => {
    void isClosed.then(() => stat(path, done));
  }) as typeof stat);
  await leaveBehind(request("GET /docs/static/swagger-ui-bundle.js"), () => looks.mock.calls.length === 2);
  await expect.poll(() => opened.mock.results.length).toBe(2);
  const files = opened.mock.results.map(({ value }) => value as fs.ReadStream);
  await expect.poll(() => files.map(({ closed }) => closed)).toEqual([true, true]);
});

it("answers whose turn has come are let go of", async () => {
  const destroyed = vi.spyOn(ServerResponse.prototype, "destroy");
  const { port } = await listen(h.app);
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
  });
  socket.write(request("GET /livez").repeat(3) + request("GET /watch"));
  await expect.poll(() => answer.includes(": hearsay")).toBe(true);
  socket.destroy();
  await expect.poll(() => h.services.watch.watchers).toBe(0);
  expect(destroyed).not.toHaveBeenCalled();
});

it("requests that are handed over once their connection has closed are not looked at", async () => {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  request.socket.destroy();
  await once(request.socket, "close");
  const run = vi.fn();
  inTurn(response, run);
  expect(run).not.toHaveBeenCalled();
});

it("requests whose connection closes when their turn has just come are not looked at", async () => {
  const request = new IncomingMessage(new Socket());
  const [before, response] = [new ServerResponse(request), new ServerResponse(request)];
  countQueued(before, 1024 * 1024);
  const run = vi.fn();
  inTurn(response, run);
  response.assignSocket(request.socket);
  request.socket.destroy();
  await once(response, "close");
  await new Promise(setImmediate);
  expect(run).not.toHaveBeenCalled();
});
