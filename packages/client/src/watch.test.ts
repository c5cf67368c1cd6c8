import { describe, expect, it } from "vitest";
import { Client } from "./client.ts";
import { HearsayError } from "./fault.ts";
import type { WatchConnection, WatchEvent, WatchOptions } from "./watch.ts";

const version = "0abcdefghij-n~0123456789";

function put(key: string, value: string): string {
  return JSON.stringify({ key, version, contentType: "text/plain", size: value.length, value: btoa(value) });
}

const EVENTS = { headers: { "content-type": "text/event-stream" } };

/** Answers each request with the next of the streams, after which it is as if all nodes were down. */
function watching(streams: readonly (Response | ReadableStream<Uint8Array>)[], options: WatchOptions = {}) {
  const urls: string[] = [];
  const pauses: number[] = [];
  const connections: WatchConnection[] = [];
  const rest = [...streams];
  const client = new Client({
    endpoints: ["http://a:1", "http://b:1"],
    retry: { rounds: 1 },
    platform: {
      fetch: async (url) => {
        urls.push(url);
        const next = rest.shift();
        if (next === undefined) throw new TypeError("fetch failed");
        return next instanceof Response ? next : new Response(next, EVENTS);
      },
      random: () => 1,
      // Silence is not waited for, pauses are over at once.
      schedule: (ms, callback) => {
        if (ms >= 10_000) return () => undefined;
        pauses.push(ms);
        queueMicrotask(callback);
        return () => undefined;
      },
    },
  });
  const onConnection = (connection: WatchConnection): void => void connections.push(connection);
  return { events: client.watch({ onConnection, ...options }), urls, pauses, connections };
}

function stream(text: string, end: "closed" | "broken" = "closed"): ReadableStream<Uint8Array> {
  return bytesStream(new TextEncoder().encode(text), end);
}

function bytesStream(bytes: Uint8Array, end: "closed" | "broken"): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    // A few bytes at a time, so that lines and letters are cut everywhere.
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + 7));
        at += 7;
      } else if (end === "closed") controller.close();
      else controller.error(new TypeError("terminated"));
    },
  });
}

async function take(events: AsyncGenerator<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

describe("a watch", () => {
  it("gives puts, deletes and synced with their cursors", async () => {
    const { events, urls } = watching(
      [
        stream(
          `: hello\n\nevent: put\ndata: ${put("p/é", "über")}\n\n` +
            `event: synced\nid: c1\ndata: {}\n\n` +
            `event: delete\r\nid: c2\r\ndata: {"key":"p/é","version":"${version}","expired":true}\r\n\r\n`,
        ),
      ],
      { prefix: "p/", since: "c0" },
    );
    const [first, second, third] = await take(events, 3);
    expect(first).toMatchObject({
      kind: "put",
      key: "p/é",
      version,
      contentType: "text/plain",
      cursor: "c0",
    });
    expect(second).toEqual({ kind: "synced", cursor: "c1" });
    expect(third).toEqual({ kind: "delete", key: "p/é", version, expired: true, conflicts: 0, cursor: "c2" });
    expect(urls).toEqual(["http://a:1/watch?prefix=p%2F&since=c0"]);
  });

  it("goes on behind the newest cursor on the next node, also when only a heartbeat has moved it", async () => {
    const { events, urls, connections } = watching([
      stream(`event: synced\nid: c1\ndata: {}\n\n: heartbeat\nid: c2\n\nevent: put\nid: c3\nda`, "broken"),
      stream(`event: put\nid: c4\ndata: ${put("k", "v")}\n\n`),
    ]);
    expect((await take(events, 2)).map(({ kind, cursor }) => [kind, cursor])).toEqual([
      ["synced", "c1"],
      ["put", "c4"],
    ]);
    expect(urls).toEqual(["http://a:1/watch", "http://b:1/watch?since=c2"]);
    expect(connections.map(({ state }) => state)).toEqual(["connected", "lost", "connected"]);
  });

  it.each(["closed", "broken"] as const)(
    "goes on when it is %s within a character, as anywhere",
    async (end) => {
      const text = new TextEncoder().encode(
        `event: synced\nid: c1\ndata: {}\n\nevent: put\ndata: ${put("ä", "v")}`,
      );
      const cut = text.indexOf(0xc3) + 1;
      const { events, urls, connections } = watching([
        bytesStream(text.subarray(0, cut), end),
        stream(`event: synced\nid: c2\ndata: {}\n\n`),
      ]);
      expect((await take(events, 2)).map(({ cursor }) => cursor)).toEqual(["c1", "c2"]);
      expect(urls[1]).toBe("http://b:1/watch?since=c1");
      expect(connections[1]).toMatchObject({ state: "lost", fault: { code: "unreachable" } });
    },
  );

  it.each([
    ['event: put\ndata: {"key":1}\n\n'],
    ["event: put\ndata: {\n\n"],
    [new Uint8Array([0x64, 0xff, 0x0a])],
  ])("ends at a whole event that is not understood, and would come again: %j", async (event) => {
    const first = stream(`event: synced\nid: c1\ndata: {}\n\n`);
    const bytes = typeof event === "string" ? new TextEncoder().encode(event) : event;
    const { events } = watching([first, bytesStream(bytes, "closed")]);
    await events.next();
    await expect(events.next()).rejects.toMatchObject({ code: "bad_answer" });
  });

  it("is not told of a slow reader's cut, which its cursor mends, but of a reset", async () => {
    const { events, urls } = watching([
      stream(
        `event: synced\nid: c1\ndata: {}\n\nevent: reset\ndata: {"reason":"slow_reader","detail":"d"}\n\n`,
      ),
      stream(`event: reset\nid:\ndata: {"reason":"cursor_too_old","detail":"d"}\n\n`),
    ]);
    expect((await take(events, 2))[1]).toEqual({ kind: "reset", reason: "cursor_too_old", cursor: "" });
    expect(urls[1]).toBe("http://b:1/watch?since=c1");
  });

  it("pauses longer with each failure, and starts anew once something has come", async () => {
    const down = Array.from({ length: 6 }, () => new Response(null, { status: 503 }));
    const refused = down.map(() =>
      Response.json({ status: 503, code: "not_ready", title: "t", next: "n" }, { status: 503 }),
    );
    const { events, pauses } = watching([
      stream(`event: synced\nid: c1\ndata: {}\n\n`),
      ...refused,
      stream(`event: synced\nid: c2\ndata: {}\n\n`),
      stream(`event: synced\nid: c3\ndata: {}\n\n`),
    ]);
    await take(events, 3);
    expect(pauses).toEqual([100, 200, 400, 800, 100]);
  });

  it("rejects when it never was connected, unless it shall keep trying", async () => {
    const never = watching([]);
    await expect(never.events.next()).rejects.toMatchObject({ code: "unreachable" });
    const controller = new AbortController();
    let losses = 0;
    const kept = watching([], {
      keepTrying: true,
      signal: controller.signal,
      onConnection: () => {
        losses += 1;
        if (losses === 20) controller.abort(new Error("enough"));
      },
    });
    await expect(kept.events.next()).rejects.toThrow("enough");
  });

  it("rejects where no node answers, but once connected takes a proxy's page for the loss that it tells of", async () => {
    const never = watching([Response.json({ a: 1 })]);
    await expect(never.events.next()).rejects.toMatchObject({
      code: "bad_answer",
      message: expect.stringContaining("application/json, not text/event-stream"),
    });
    const page = (status: number) => new Response("<html>", { status });
    const kept = watching([
      stream(`event: synced\nid: c1\ndata: {}\n\n`),
      page(502),
      page(200),
      stream(`event: synced\nid: c2\ndata: {}\n\n`),
    ]);
    expect((await take(kept.events, 2)).map(({ cursor }) => cursor)).toEqual(["c1", "c2"]);
    expect(kept.urls.map((url) => new URL(url).host)).toEqual(["a:1", "b:1", "a:1", "b:1"]);
  });

  it("gives a node that does not answer up after the client's time-out, and a silent stream after its own", async () => {
    const waits: number[] = [];
    const client = new Client({
      endpoints: ["http://a:1"],
      timeoutMs: 2_000,
      platform: {
        fetch: async () => new Response(stream(`event: synced\nid: c1\ndata: {}\n\n`), EVENTS),
        schedule: (ms) => {
          waits.push(ms);
          return () => undefined;
        },
      },
    });
    await take(client.watch({ silenceMs: 30_000 }), 1);
    expect(waits.slice(0, 2)).toEqual([2_000, 30_000]);
  });

  it.each([
    [408, "c2"],
    [503, "c2"],
    [400, "refused"],
    [431, "refused"],
    [501, "refused"],
  ])("goes on after a refusal with %i as any read would: %s", async (status, expected) => {
    const refusal = () => Response.json({ status, code: "refused", title: "t", next: "n" }, { status });
    const synced = (cursor: string) => stream(`event: synced\nid: ${cursor}\ndata: {}\n\n`);
    const { events } = watching([synced("c1"), refusal(), refusal(), synced("c2")]);
    await events.next();
    const next = await events.next().then(
      ({ value }) => value?.cursor,
      (error: unknown) => error instanceof HearsayError && error.code,
    );
    expect(next).toBe(expected);
  });

  it("rejects for a cursor that the node refuses", async () => {
    const refusal = Response.json(
      { status: 400, code: "invalid_cursor", title: "t", next: "n" },
      { status: 400 },
    );
    const { events } = watching([refusal], { keepTrying: true, since: "x" });
    await expect(events.next()).rejects.toMatchObject({ code: "invalid_cursor" });
  });
});
