import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { loadConfig } from "../config/load.ts";
import { EventCounts } from "../metrics/events.ts";
import { Listener } from "./listener.ts";

vi.mock("node:dns/promises", () => ({
  lookup: async () => [{ address: "127.0.0.1" }, { address: "127.0.0.2" }],
}));

let listener: Listener;
let logged: string[];
/** What the application has to answer yet. */
let asked: ServerResponse[];
let wasAsked: Promise<void>;

beforeEach(() => {
  logged = [];
  asked = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  await listener.close(0);
});

async function open(listen: string): Promise<void> {
  const { settings } = loadConfig({ flags: { listen }, environment: {}, file: undefined });
  const record = (event: string): void => void logged.push(event);
  const log = { info: record, warn: record, error: record };
  listener = await Listener.open(settings, { log, events: new EventCounts() });
}

function hand(): void {
  const application = createServer();
  wasAsked = new Promise((resolve) => {
    application.on("request", (_, response) => {
      asked.push(response);
      resolve();
    });
  });
  listener.hand(application);
}

function connected(): Socket {
  const { hostname, port } = new URL(listener.address);
  return connect(Number(port), hostname);
}

/** A connection with a request that the application has and has not answered. */
async function openAndAsk(): Promise<Socket> {
  await open("127.0.0.1:0");
  hand();
  const socket = connected();
  socket.write("GET /kv/a HTTP/1.1\r\nHost: x\r\n\r\n");
  await wasAsked;
  return socket;
}

async function statusOf(url: string): Promise<number> {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.status;
}

it("listens on all addresses of localhost", async () => {
  await open("localhost:0");
  const { port } = new URL(listener.address);
  expect(await statusOf(`http://127.0.0.1:${port}/livez`)).toBe(200);
  expect(await statusOf(`http://127.0.0.2:${port}/livez`)).toBe(200);
});

it("has what is under way answered by the one that it releases, and all else by itself", async () => {
  const socket = await openAndAsk();
  const released = listener.release(60_000);
  expect(await statusOf(`${listener.address}/kv/b`)).toBe(503);
  asked[0]?.end("of the old one");
  expect(await text(socket)).toContain("of the old one");
  await released;
  expect(logged).toEqual([]);
  hand();
  const next = statusOf(`${listener.address}/kv/c`);
  await wasAsked;
  asked[1]?.end();
  expect(await next).toBe(200);
});

it("cuts what the one that it releases does not answer within the grace, and nothing else", async () => {
  const socket = await openAndAsk();
  const released = listener.release(50);
  const later = connected();
  later.write("GET /livez HTTP/1.1\r\nHo");
  await once(socket, "close");
  await released;
  expect(logged).toEqual(["connections_cut"]);
  later.write("st: x\r\nConnection: close\r\n\r\n");
  expect(await text(later)).toMatch(/^HTTP\/1.1 200 /);
});

it("answers what is no HTTP while nobody else does", async () => {
  await open("127.0.0.1:0");
  const socket = connected();
  socket.write("nonsense\r\n\r\n");
  expect(await text(socket)).toContain('"code":"bad_request"');
});
