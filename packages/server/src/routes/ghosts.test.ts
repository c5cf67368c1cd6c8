import type { Ghost } from "@hearsay/store";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Harness, harness, START_MS } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

const NODE = "n2~0123456789";

function ghost(key: string, counter: number, more: Partial<Ghost> = {}): Ghost {
  const version = { time: START_MS * 2048 + counter, node: NODE };
  return {
    key,
    sibling: {
      kind: "value",
      version,
      bytes: Buffer.from(`${key} ${counter}`),
      contentType: "text/plain",
      expiresAtMs: null,
    },
    kept: { atMs: START_MS + counter * 1000, why: "refused" },
    ...more,
  };
}

async function get(query = ""): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const answer = await h.app.inject({ url: `/cluster/ghosts${query}` });
  return { status: answer.statusCode, body: answer.json() };
}

function discard(payload: object) {
  return h.app.inject({ method: "POST", url: "/cluster/ghosts/discard", payload });
}

/** The versions in a report, as they stand in it. */
async function versions(query = ""): Promise<string[]> {
  const { items } = (await h.app.inject({ url: `/cluster/ghosts${query}` })).json();
  return items.map(({ version }: { version: string }) => version);
}

it("nothing kept aside is said to be nothing", async () => {
  expect(await get()).toEqual({
    status: 200,
    body: { node: h.services.node.id, count: 0, max: 1024, items: [] },
  });
});

it("what is kept aside is listed without values, what was kept last first, what earlier builds kept at the end", async () => {
  const old = ghost("old", 0, { kept: undefined });
  h.store.kept.push(old, ghost("b", 1), ghost("a", 1), ghost("c", 2));
  const { body } = await get();
  expect(body).toMatchObject({
    count: 4,
    items: [
      {
        key: "c",
        node: NODE,
        time: "2030-01-01T00:00:00.000Z",
        contentType: "text/plain",
        size: 3,
        keptAt: "2030-01-01T00:00:02.000Z",
        why: "refused",
      },
      { key: "a" },
      { key: "b" },
      { key: "old", keptAt: null, why: null },
    ],
  });
  expect(JSON.stringify(body)).not.toContain('"value"');
  expect((await get("?limit=2")).body).toMatchObject({ count: 4, items: [{ key: "c" }, { key: "a" }] });
  expect((await get("?key=a")).body).toMatchObject({ count: 4, items: [{ key: "a" }] });
});

it("one that is named comes with its value", async () => {
  h.store.kept.push(ghost("k", 1), ghost("k", 2));
  const [, one] = await versions();
  const { body } = await get(`?key=k&version=${one}`);
  expect(body).toMatchObject({ items: [{ key: "k", version: one, value: btoa("k 1") }] });
  expect((await get(`?key=other&version=${one}`)).body).toMatchObject({ items: [] });
});

it("one that is discarded is gone, and says how many are left", async () => {
  h.store.kept.push(ghost("k", 1), ghost("k", 2));
  const [last = "", one] = await versions();
  const answer = await discard({ key: "k", version: last });
  expect(answer.json()).toEqual({ key: "k", version: last, left: 1 });
  expect(await versions()).toEqual([one]);
  expect(h.logged).toContain("ghost_discarded");
  const again = await discard({ key: "k", version: last });
  expect(again.statusCode).toBe(404);
  expect(again.json()).toMatchObject({ code: "ghost_not_found" });
});

it.each(["?version=0g5xw1m2k3a-n1~abcdefghij", "?key=k&version=nonsense", "?limit=0", "?prefix=k"])(
  "%s is refused",
  async (query) => {
    expect(await get(query)).toMatchObject({ status: 400, body: { code: "invalid_query" } });
  },
);

it("what names no version is not discarded", async () => {
  h.store.kept.push(ghost("k", 1));
  for (const body of [
    {},
    { key: "k" },
    { key: "k", version: "nonsense" },
    { key: "k", version: "v", all: true },
  ]) {
    const answer = await discard(body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: "invalid_body" });
  }
  expect(h.store.kept).toHaveLength(1);
});

it("a node that keeps something aside is ready, and says so among its checks", async () => {
  const checks = async (): Promise<unknown> => (await h.app.inject({ url: "/readyz?verbose" })).json();
  expect(await checks()).toMatchObject({
    ready: true,
    checks: expect.arrayContaining([{ name: "kept aside", ok: true, detail: "nothing" }]),
  });
  h.store.kept.push(ghost("k", 1));
  expect(await checks()).toMatchObject({
    ready: true,
    checks: expect.arrayContaining([
      { name: "kept aside", ok: false, detail: expect.stringContaining("hearsay ghosts") },
    ]),
  });
});
