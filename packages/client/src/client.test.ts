import { describe, expect, it } from "vitest";
import { Client } from "./client.ts";
import type { FetchInit } from "./platform.ts";

interface Seen {
  readonly url: string;
  readonly init: FetchInit;
}

/** A client of one endpoint whose requests are kept and answered in turn. */
function answering(...answers: readonly Response[]): { readonly client: Client; readonly seen: Seen[] } {
  const seen: Seen[] = [];
  const rest = [...answers];
  const client = new Client({
    endpoints: ["http://n:1/base/"],
    retry: { rounds: 1 },
    platform: {
      fetch: async (url, init) => {
        seen.push({ url, init });
        return rest.shift() ?? new Response(null, { status: 500 });
      },
    },
  });
  return { client, seen };
}

const version = "0abcdefghij-n~0123456789";
const writeResult = { key: "k", version, context: "c", acks: 2 };

it("a snapshot that cannot be read fails a restore with its own error, and not with that of a connection", async () => {
  let attempts = 0;
  const unreadable = (): ReadableStream<Uint8Array> =>
    new ReadableStream({ pull: () => Promise.reject(new Error("EISDIR")) }, { highWaterMark: 0 });
  const reading = new Client({
    endpoints: ["http://n:1"],
    platform: {
      fetch: async (_url, init) => {
        attempts += 1;
        await new Response(init.body as ReadableStream<Uint8Array>).arrayBuffer().catch((cause: unknown) => {
          throw new TypeError("fetch failed", { cause });
        });
        return new Response(null, { status: 500 });
      },
    },
  });
  await expect(reading.restore(unreadable, { mode: "missing", dryRun: true })).rejects.toThrow(/^EISDIR$/);
  expect(attempts).toBe(1);
});

describe("requests", () => {
  it("carry conditions, contexts, acknowledgements and times as the contract names them", async () => {
    const { client, seen } = answering(
      Response.json(writeResult),
      Response.json(writeResult, { status: 201 }),
    );
    await client.put("a/b c", "v", { ack: "quorum", ackTimeoutMs: 1_500, ttlMs: 30_000, context: "" });
    await client.put("k", new Uint8Array([1]), { ifVersion: version, ifAbsent: false });
    expect(seen[0]?.url).toBe("http://n:1/base/kv/a/b%20c?ack=quorum&timeout=1500ms&ttl=30000ms");
    expect(seen[0]?.init.headers).toEqual({
      "Hearsay-Context": "",
      "Content-Type": "text/plain; charset=utf-8",
    });
    expect(seen[1]?.init.headers).toEqual({
      "If-Match": `"${version}"`,
      "Content-Type": "application/octet-stream",
    });
  });

  it("put keys that URL parsers would rewrite into the query", async () => {
    const { client, seen } = answering(...Array.from({ length: 4 }, () => Response.json(writeResult)));
    for (const key of [".", "a/../b", "a/.", "a..b/"]) await client.delete(key);
    expect(seen.map(({ url }) => url)).toEqual([
      "http://n:1/base/kv?key=.",
      "http://n:1/base/kv?key=a%2F..%2Fb",
      "http://n:1/base/kv?key=a%2F.",
      "http://n:1/base/kv/a..b/",
    ]);
  });

  it("ask for no results of a batch, and leave out those that come nevertheless", async () => {
    const results = [{ op: "put", ...writeResult }];
    const { client, seen } = answering(
      new Response(null, { status: 204 }),
      Response.json({ results }),
      Response.json({ results }),
    );
    const operations = [{ op: "put", key: "k", value: "v" }] as const;
    expect(await client.batch(operations, { results: "none" })).toEqual([]);
    expect(await client.batch(operations, { results: "none" })).toEqual([]);
    expect(await client.batch(operations)).toEqual(results);
    const headers = seen.map(({ init }) => new Headers(init.headers).get("prefer"));
    expect(headers).toEqual(["return=minimal", "return=minimal", null]);
  });

  it("are refused for keys that no URL can carry", async () => {
    const { client, seen } = answering();
    await expect(client.get("\ud800")).rejects.toMatchObject({ code: "bad_key", outcome: "none" });
    await expect(client.get("")).rejects.toMatchObject({ code: "bad_key" });
    expect(seen).toEqual([]);
  });

  it("are refused for what no UTF-8 can carry, and would otherwise be about another key", async () => {
    const { client, seen } = answering();
    const prefix = "a\ud800";
    const operations = [{ op: "put", key: prefix, value: "v" }] as const;
    const calls = [
      client.batch(operations),
      new Client({ batchFormat: "json" }).batch(operations),
      client.list({ prefix }).next(),
      client.list({ after: prefix }).next(),
      client.pages({ prefix }).next(),
      client.conflicts({ prefix }).next(),
      client.watch({ prefix }).next(),
      client.cluster.receipt(prefix, version),
      client.cluster.ghosts({ key: prefix }),
      client.cluster.discardGhost(prefix, version),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: "rejected", reason: { code: "bad_key", outcome: "none" } });
    }
    for (const draft of [client.draft(), new Client({ batchFormat: "json" }).draft()]) {
      expect(() => draft.add({ op: "get", key: prefix })).toThrow("well-formed");
      expect([draft.size, draft.reads]).toEqual([0, 0]);
    }
    expect(seen).toEqual([]);
  });

  it("go to http and https endpoints only", () => {
    for (const endpoint of ["ftp://n", "http://", "http://n/?a=1"]) {
      expect(() => new Client({ endpoints: [endpoint] })).toThrow(TypeError);
    }
  });
});

describe("reads", () => {
  it("return the value with what the headers say of it", async () => {
    const { client } = answering(
      new Response("hello", {
        headers: {
          ETag: `"${version}"`,
          "Content-Type": "text/plain",
          "Hearsay-Context": "ctx",
          "Hearsay-Conflicts": "2",
          "Hearsay-Node": "n~0123456789",
          "Hearsay-Complete-Through": "2026-01-02T03:04:05.678Z",
          "Hearsay-Expires": "2027-01-01T00:00:00.000Z",
        },
      }),
    );
    expect(await client.get("k")).toEqual({
      kind: "value",
      bytes: new TextEncoder().encode("hello"),
      contentType: "text/plain",
      version,
      context: "ctx",
      conflicts: 2,
      expiresAt: new Date("2027-01-01T00:00:00.000Z"),
      node: "n~0123456789",
      completeThrough: new Date("2026-01-02T03:04:05.678Z"),
    });
  });

  it("tell a delete from a key that never was, and an unchanged value from a new one", async () => {
    const missing = { status: 404, code: "not_found", title: "t", next: "n" };
    const { client } = answering(
      Response.json(
        { ...missing, deleted: true, version },
        { status: 404, headers: { "Hearsay-Conflicts": "1" } },
      ),
      Response.json(missing, { status: 404 }),
      new Response(null, { status: 304 }),
    );
    expect(await client.get("k")).toMatchObject({ kind: "missing", deleted: true, version, conflicts: 1 });
    expect(await client.get("k")).toMatchObject({
      kind: "missing",
      deleted: false,
      version: undefined,
      conflicts: 0,
    });
    expect((await client.get("k", { unlessVersion: version })).kind).toBe("unchanged");
  });
});

describe("what is no node's answer to a read", () => {
  it("is told in its own words", async () => {
    const { client } = answering(
      new Response("part", { status: 206, headers: { ETag: `"${version}"` } }),
      new Response(null, { status: 304 }),
    );
    for (const status of [206, 304]) {
      const message = expect.stringContaining(`status ${status}`);
      await expect(client.get("k")).rejects.toMatchObject({ code: "bad_answer", message });
    }
  });
});

it("a proxy that compresses leaves the version as it is, and marks it as weak", async () => {
  const { client } = answering(new Response("v", { headers: { ETag: `W/"${version}"` } }));
  expect(await client.get("k")).toMatchObject({ kind: "value", version });
});

describe("a 404", () => {
  it("that does not speak of the key is no answer about it", async () => {
    const { client } = answering(
      new Response("<html>", { status: 404 }),
      Response.json({ status: 404, code: "route_not_found", title: "t", next: "n" }, { status: 404 }),
    );
    for (let i = 0; i < 2; i++) await expect(client.get("k")).rejects.toMatchObject({ code: "bad_answer" });
  });
});

function lines(body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>): Response {
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

describe("listings", () => {
  const item = (key: string): object => ({ key, version, contentType: "text/plain", size: 1 });

  it("follow pages to the end, over empty ones", async () => {
    const { client, seen } = answering(
      Response.json({ items: [item("a")], next: "a" }),
      Response.json({ items: [], next: "b&" }),
      Response.json({ items: [item("c")], next: null }),
    );
    const keys: string[] = [];
    for await (const page of client.pages({ prefix: "p/", keysOnly: true, pageSize: 1 })) {
      keys.push(...page.items.map(({ key }) => key));
    }
    expect(keys).toEqual(["a", "c"]);
    expect(seen[2]?.url).toBe("http://n:1/base/kv?prefix=p%2F&after=b%26&limit=1&keys=true");
  });

  it.each(["broke off", "ended"])(
    "take a stream that %s up again behind the last whole entry",
    async (end) => {
      const text = new TextEncoder();
      const broken = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            controller.enqueue(
              text.encode(`${JSON.stringify(item("a"))}\n${JSON.stringify(item("b")).slice(0, 9)}`),
            );
            if (end === "ended") controller.close();
            else controller.error(new TypeError("terminated"));
          },
          type: undefined,
        },
        { highWaterMark: 0 },
      );
      const slow = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const byte of text.encode(`${JSON.stringify(item("b"))}\n${JSON.stringify(item("é"))}\n`)) {
            controller.enqueue(new Uint8Array([byte]));
          }
          controller.close();
        },
      });
      const { client, seen } = answering(lines(broken), lines(slow));
      const keys: string[] = [];
      for await (const { key } of client.list()) keys.push(key);
      expect(seen.map(({ url }) => url)).toEqual(["http://n:1/base/kv", "http://n:1/base/kv?after=a"]);
      expect(keys).toEqual(["a", "b", "é"]);
    },
  );

  it("stop reading when the caller has enough", async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(`${JSON.stringify(item("a"))}\n`)),
      cancel: () => {
        cancelled = true;
      },
    });
    const { client } = answering(lines(endless));
    for await (const { key } of client.list()) {
      expect(key).toBe("a");
      break;
    }
    expect(cancelled).toBe(true);
  });

  it.each([
    ["b", "b"],
    ["b", "a"],
    ["ab", "a"],
    ["\u{10000}", "\u{fffd}"],
  ])("refuse what does not go on, and would never end: behind %j comes %j", async (first, second) => {
    const page = (next: string): Response => Response.json({ items: [], next });
    const { client, seen } = answering(
      page(first),
      page(second),
      lines([first, second].map((key) => `${JSON.stringify(item(key))}\n`).join("")),
    );
    for (const listing of [client.pages(), client.list()]) {
      expect((await listing.next()).done).toBe(false);
      await expect(listing.next()).rejects.toMatchObject({ code: "bad_answer" });
    }
    expect(seen).toHaveLength(3);
  });

  it("go on in the order of UTF-8 bytes", async () => {
    const keys = ["a", "a\u{1}", "b", "é", "\u{e000}", "\u{fffd}", "\u{10000}", "\u{10000}a", "\u{10ffff}"];
    const { client } = answering(lines(keys.map((key) => `${JSON.stringify(item(key))}\n`).join("")));
    const listed: string[] = [];
    for await (const { key } of client.list()) listed.push(key);
    expect(listed).toEqual(keys);
  });

  it("refuse an entry that is none", async () => {
    const { client } = answering(lines('{"key":1}\n'), lines(new Uint8Array([0x7b, 0xff, 0x0a])));
    await expect(client.list().next()).rejects.toMatchObject({ code: "bad_answer" });
    await expect(client.list().next()).rejects.toMatchObject({ code: "bad_answer" });
  });

  it("take nothing that is no listing for an empty one, and nothing that is no snapshot for one", async () => {
    const page = (): Response => new Response("", { headers: { "content-type": "text/html" } });
    const { client } = answering(page(), page());
    await expect(client.list().next()).rejects.toMatchObject({ code: "bad_answer" });
    await expect(client.snapshot().next()).rejects.toMatchObject({ code: "bad_answer" });
  });

  it("read the largest value there can be, in time that grows with its length alone", async () => {
    const value = "A".repeat((64 * 1024 * 1024 * 4) / 3);
    const bytes = new TextEncoder().encode(`${JSON.stringify({ ...item("a"), value })}\n`);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(sent, sent + 65_536));
        sent += 65_536;
      },
    });
    const { client } = answering(lines(body));
    const { value: first } = await client.list().next();
    expect(first?.value?.length).toBe(value.length);
  });
});
