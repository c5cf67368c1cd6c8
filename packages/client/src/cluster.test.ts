import { describe, expect, it } from "vitest";
import { Client } from "./client.ts";
import type { FetchInit } from "./platform.ts";

interface Seen {
  readonly url: string;
  readonly method: string;
  readonly body: unknown;
}

type Step = Response | Error;

/** A client of two endpoints whose requests are kept and answered in turn; its pauses are over at once. */
function answering(...steps: readonly Step[]): { readonly client: Client; readonly seen: Seen[] } {
  const seen: Seen[] = [];
  const rest = [...steps];
  const client = new Client({
    endpoints: ["http://a", "http://b"],
    retry: { rounds: 2, baseMs: 1, capMs: 1 },
    platform: {
      fetch: async (url: string, { method, body }: FetchInit) => {
        const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : "null";
        seen.push({ url, method, body: JSON.parse(text) });
        const step = rest.shift() ?? new Response(null, { status: 500 });
        if (step instanceof Error) throw step;
        return step;
      },
    },
  });
  return { client, seen };
}

function refused(): Error {
  const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED", syscall: "connect" });
  return new TypeError("fetch failed", { cause });
}

const member = { id: "n2~0123456789", name: "n2", state: "alive" };
const receipt = {
  key: "k",
  version: "v",
  everywhere: true,
  complete: false,
  watermark: null,
  holders: [member],
  lacking: [],
  unknown: [],
};

describe("calls about the cluster", () => {
  it("are made as the contract names them", async () => {
    const { client, seen } = answering(
      Response.json(receipt),
      Response.json({ peer: member.id, name: "n2", equal: true, keys: 0, items: [] }),
      Response.json({ node: "n1", state: "member", members: 3 }),
      Response.json({ node: "n1", left: true }),
      Response.json({ node: "n3", name: "n3", completeThrough: null, heldThrough: null }),
      Response.json({ safe: false, reasons: [{ code: "only_member", detail: "d" }] }),
    );
    expect(await client.cluster.receipt("a/b c", "v~1", { waitMs: 90_000 })).toEqual(receipt);
    await client.cluster.diff("n2", { limit: 5 });
    await client.cluster.join("h:1");
    await client.cluster.leave();
    await client.cluster.forget("n3", { confirm: true });
    expect((await client.cluster.safeToStop()).safe).toBe(false);
    expect(seen).toEqual([
      {
        url: "http://a/cluster/receipt?key=a%2Fb+c&version=v%7E1&wait=all&timeout=90s",
        method: "GET",
        body: null,
      },
      { url: "http://a/cluster/diff?peer=n2&limit=5", method: "GET", body: null },
      { url: "http://a/cluster/join", method: "POST", body: { address: "h:1" } },
      { url: "http://a/cluster/leave", method: "POST", body: {} },
      { url: "http://a/cluster/forget", method: "POST", body: { node: "n3", confirm: true } },
      { url: "http://a/cluster/safe-to-stop", method: "GET", body: null },
    ]);
  });

  it("of a node itself are never made to another one", async () => {
    const { client, seen } = answering(refused(), refused());
    await expect(client.cluster.leave()).rejects.toMatchObject({ code: "unreachable", outcome: "none" });
    expect(seen.map(({ url }) => url)).toEqual(["http://a/cluster/leave", "http://a/cluster/leave"]);
  });

  it("of the first endpoint's node are made to it, also when another one answered last", async () => {
    const { client, seen } = answering(
      refused(),
      Response.json(receipt),
      Response.json({ safe: true, reasons: [] }),
      Response.json(receipt),
    );
    await client.cluster.receipt("k", "v");
    await client.cluster.safeToStop();
    await client.cluster.receipt("k", "v");
    expect(seen.map(({ url }) => new URL(url).hostname)).toEqual(["a", "b", "a", "b"]);
  });

  it("say what forgetting a member may lose, unless it is confirmed", async () => {
    const problem = {
      status: 400,
      code: "confirmation_needed",
      title: "t",
      next: "n",
      detail: "what may be lost",
    };
    const { client } = answering(Response.json(problem, { status: 400 }));
    await expect(client.cluster.forget("n3")).rejects.toMatchObject({
      code: "confirmation_needed",
      message: "what may be lost",
    });
  });
});

it("what is kept aside is asked of the first endpoint's node, and discarded there", async () => {
  const report = { node: "n", count: 0, max: 1024, items: [] };
  const discarded = { key: "k", version: "v", left: 0 };
  const { client, seen } = answering(Response.json(report), Response.json(discarded));
  expect(await client.cluster.ghosts({ key: "k", version: "v" })).toEqual(report);
  expect(await client.cluster.discardGhost("k", "v")).toEqual(discarded);
  expect(seen).toEqual([
    { url: "http://a/cluster/ghosts?key=k&version=v", method: "GET", body: null },
    { url: "http://a/cluster/ghosts/discard", method: "POST", body: { key: "k", version: "v" } },
  ]);
});

describe("a repair", () => {
  const moved = { keysSent: 1, keysReceived: 2, bytesSent: 3, bytesReceived: 4 };
  const who = { peer: member.id, name: "n2" };
  const lines = [
    { event: "begin", ...who },
    { event: "progress", ...who, ...moved, keysLeft: 5 },
    { event: "done", ...who, ...moved, equal: false },
    { event: "end", members: 1, failed: 0, ...moved },
  ];
  const stream = (some: readonly object[]): Response =>
    new Response(some.map((line) => `${JSON.stringify(line)}\n`).join(""));

  async function repair(answer: Response, seen: unknown[]): Promise<void> {
    for await (const line of answering(answer).client.cluster.repair({ peer: "n2" })) seen.push(line);
  }

  it("is told line by line", async () => {
    const seen: unknown[] = [];
    await repair(stream(lines), seen);
    expect(seen).toEqual(lines);
  });

  it("that breaks off before its end is no whole one", async () => {
    const seen: unknown[] = [];
    await expect(repair(stream(lines.slice(0, 3)), seen)).rejects.toMatchObject({ code: "bad_answer" });
    expect(seen).toHaveLength(3);
  });

  it("with a line of another shape is not understood", async () => {
    await expect(repair(stream([{ event: "begin" }]), [])).rejects.toMatchObject({ code: "bad_answer" });
  });
});
