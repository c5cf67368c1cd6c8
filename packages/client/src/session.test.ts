import { describe, expect, it } from "vitest";
import { Client } from "./client.ts";
import type { FetchInit } from "./platform.ts";

const older = "0000000000a-n~0123456789";
const newer = "0000000000b-m~0123456789";

function answering(...answers: readonly Response[]) {
  const seen: { readonly method: string; readonly headers: FetchInit["headers"]; readonly body: unknown }[] =
    [];
  const rest = [...answers];
  const client = new Client({
    endpoints: ["http://n:1"],
    retry: { rounds: 1 },
    platform: {
      fetch: async (_url, { method, headers, body }) => {
        seen.push({ method, headers, body });
        return rest.shift() ?? new Response(null, { status: 500 });
      },
      nowMs: () => Date.parse("2026-01-01T00:00:00Z"),
    },
  });
  return { client, seen };
}

const written = (version: string): Response => Response.json({ key: "k", version, context: "c", acks: 1 });
const value = (version: string): Response => new Response("v", { headers: { ETag: `"${version}"` } });

const noLines = (): Response => new Response("", { headers: { "content-type": "application/x-ndjson" } });

describe("a session", () => {
  it("knows what it wrote in a batch of which nobody wants to know the results", async () => {
    const results = [{ op: "put", key: "k", version: newer, context: "c", acks: 1 }];
    const { client, seen } = answering(Response.json({ results }), value(newer));
    const session = client.session();
    expect(await session.batch([{ op: "put", key: "k", value: "v" }], { results: "none" })).toEqual([]);
    await session.get("k");
    expect(seen[1]?.headers["Hearsay-After"]).toBe(newer);
  });

  it("asks for the newest version it has written or read of the key", async () => {
    const { client, seen } = answering(written(older), value(newer), value(newer), value(newer));
    const session = client.session();
    await session.put("k", "v");
    await session.get("k");
    await session.get("k", { after: older });
    await session.get("other");
    expect(seen.map(({ headers }) => headers["Hearsay-After"])).toEqual([undefined, older, newer, undefined]);
  });

  it("asks for its own writes in reads of many keys, the newest of each node that took some", async () => {
    const newest = "0000000000c-n~0123456789";
    const batch = Response.json({
      results: [{ op: "put", key: "b", version: newest, context: "c", acks: 1 }],
    });
    const page = (): Response => Response.json({ items: [], next: null });
    const { client, seen } = answering(
      written(older),
      written(newer),
      batch,
      page(),
      page(),
      noLines(),
      value(older),
    );
    const session = client.session();
    await session.put("k", "v");
    await session.delete("l");
    await session.batch([{ op: "put", key: "b", value: "v" }]);
    for await (const _ of session.pages({ prefix: "p" }));
    for await (const _ of session.conflicts());
    for await (const _ of session.list());
    await session.get("b");
    expect(seen.map(({ headers }) => headers["Hearsay-After"])).toEqual([
      undefined,
      undefined,
      `${older},${newer}`,
      `${newer},${newest}`,
      `${newer},${newest}`,
      `${newer},${newest}`,
      newest,
    ]);
  });

  it("asks in reads of many keys for no more nodes than a header may name, and not for what it only read", async () => {
    const { client, seen } = answering(value(newer), noLines());
    const session = client.session();
    for (let i = 0; i < 70; i++) session.saw("k", `0000000000a-n${i}~0123456789`);
    await session.get("other");
    for await (const _ of session.list());
    const versions = seen[1]?.headers["Hearsay-After"]?.split(",") ?? [];
    expect(versions).toHaveLength(64);
    expect(versions[0]).toBe("0000000000a-n6~0123456789");
    expect(versions).not.toContain(newer);
  });

  it("never goes back, also when a write of its own is older than what it read", () => {
    const session = answering().client.session();
    session.saw("k", newer);
    session.saw("k", older);
    expect(session.version("k")).toBe(newer);
  });

  it("forgets the key that was used least recently beyond its bound", () => {
    const session = answering().client.session({ maxKeys: 2 });
    for (const key of ["a", "b", "a", "c"]) session.saw(key, older);
    expect(["a", "b", "c"].map((key) => session.version(key) !== undefined)).toEqual([true, false, true]);
  });
});

describe("resolving", () => {
  const siblings = (facts: object = {}): Response =>
    Response.json({
      key: "k",
      context: "both",
      siblings: [
        {
          version: newer,
          node: "m~0123456789",
          time: "2026-01-01T00:00:00.000Z",
          deleted: false,
          contentType: "text/plain",
          value: btoa("new"),
          expiresAt: "2026-01-01T00:00:30.000Z",
          ...facts,
        },
        { version: older, node: "n~0123456789", time: "2026-01-01T00:00:00.000Z", deleted: true },
      ],
    });

  it("writes the chosen sibling, its type and what is left of its time, over just what was read", async () => {
    const { client, seen } = answering(siblings(), written(newer));
    await client.resolve("k", () => ({ kind: "take", version: newer }));
    expect(seen[1]?.method).toBe("PUT");
    expect(seen[1]?.headers).toMatchObject({ "Hearsay-Context": "both", "Content-Type": "text/plain" });
    expect(new TextDecoder().decode(seen[1]?.body as Uint8Array)).toBe("new");
  });

  it("deletes when a tombstone is chosen", async () => {
    const { client, seen } = answering(siblings(), written(newer));
    await client.resolve("k", ({ siblings: [, second] }) => ({
      kind: "take",
      version: second?.version ?? "",
    }));
    expect(seen[1]?.method).toBe("DELETE");
    expect(seen[1]?.headers["Hearsay-Context"]).toBe("both");
  });

  it.each([
    ["says so, though by the client's clock it is not", { expired: true }],
    ["did not know it yet", { expired: false, expiresAt: "2026-01-01T00:00:00.000Z" }],
  ])("deletes when one is chosen whose time is over and the node %s", async (_, facts) => {
    const { client, seen } = answering(siblings(facts), written(newer));
    await client.resolve("k", () => ({ kind: "take", version: newer }));
    expect(seen[1]?.method).toBe("DELETE");
    expect(seen[1]?.headers["Hearsay-Context"]).toBe("both");
  });

  it("refuses a version that is none of them", async () => {
    const { client, seen } = answering(siblings());
    const resolving = client.resolve("k", () => ({ kind: "take", version: "gone" }));
    await expect(resolving).rejects.toMatchObject({ code: "no_such_sibling", outcome: "none" });
    expect(seen).toHaveLength(1);
  });
});
