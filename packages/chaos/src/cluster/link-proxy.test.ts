import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { SeededRandom } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LinkProxy } from "./link-proxy.ts";
import type { LinkState } from "./link-state.ts";

/** Sends back what it gets. */
let echo: Server;
let proxy: LinkProxy;
let port: number;
let state: LinkState;
const sockets = new Set<Socket>();

beforeEach(async () => {
  state = { kind: "open" };
  echo = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  proxy = new LinkProxy(() => state, new SeededRandom(1));
  port = Number((await proxy.listen("127.0.0.1")).split(":")[1]);
  proxy.forwardTo(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  proxy.close();
  echo.close();
});

async function open(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  sockets.add(socket);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Sends, and settles with what has come back by the time of so many bytes, or of the end. */
async function exchange(socket: Socket, text: string): Promise<string> {
  let back = "";
  const ended = new Promise<void>((resolve) => {
    socket.on("data", (part) => {
      back += part.toString();
      if (back.length >= text.length) resolve();
    });
    socket.on("close", () => resolve());
  });
  socket.write(text);
  await ended;
  return back;
}

describe("a link", () => {
  it("that is open passes everything", async () => {
    const text = "x".repeat(200_000);
    expect(await exchange(await open(), text)).toBe(text);
  });

  it("that is closed refuses, and breaks what was open", async () => {
    const before = await open();
    expect(await exchange(before, "hello")).toBe("hello");
    state = { kind: "closed" };
    const closed = once(before, "close");
    proxy.enforce();
    await closed;
    expect(await exchange(await open(), "hello")).toBe("");
  });

  it("that is a hole swallows, and what fell in stays lost when it opens", async () => {
    state = { kind: "hole" };
    const socket = await open();
    let back = "";
    socket.on("data", (part) => {
      back += part.toString();
    });
    socket.write("hello");
    const other = await open();
    await once(other.end(), "close").catch(() => undefined);
    state = { kind: "open" };
    const closed = once(socket, "close");
    proxy.enforce();
    await closed;
    expect(back).toBe("");
    expect(await exchange(await open(), "hello")).toBe("hello");
  });

  it("that is slow passes everything in order", async () => {
    const text = Array.from({ length: 100 }, (_, i) => String(i)).join(" ");
    for (const slow of [
      { kind: "delay", ms: 5 },
      { kind: "trickle", bytesPerSecond: 20_000 },
    ] as const) {
      state = slow;
      expect(await exchange(await open(), text)).toBe(text);
    }
  });

  it("that cuts breaks off in the middle of a message", async () => {
    state = { kind: "midway", share: 1 };
    const text = "x".repeat(10_000);
    expect((await exchange(await open(), text)).length).toBeLessThan(text.length);
  });

  it("that loses breaks its share of connections at once", async () => {
    state = { kind: "loss", share: 1 };
    expect(await exchange(await open(), "hello")).toBe("");
  });
});
