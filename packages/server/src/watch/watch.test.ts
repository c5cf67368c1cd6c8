/** Watching on whole nodes: two that stay up for what only looks, and others for those that stop or change. */
import { WatchBatch } from "@hearsay/api";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { validatorOf } from "../http/validator.ts";
import { EventReader } from "../testing/event-reader.ts";
import { RunningCluster } from "../testing/running-cluster.ts";

function path(query: Readonly<Record<string, string>>): string {
  return `/watch?${new URLSearchParams(query)}`;
}

async function open(cluster: RunningCluster, name: string, query: Readonly<Record<string, string>>) {
  return await EventReader.open(cluster.server(name).address + path(query));
}

async function remove(cluster: RunningCluster, name: string, key: string): Promise<string> {
  const answer = await fetch(`${cluster.server(name).address}/kv/${key}`, { method: "DELETE" });
  const { version } = (await answer.json()) as { version: string };
  return version;
}

/** Both nodes have confirmed to each other all that was written by now. */
async function settled(cluster: RunningCluster, ...names: readonly string[]): Promise<void> {
  const nowMs = Date.now();
  for (const name of names) {
    await cluster.until(`${name} has confirmed`, async () => {
      const { body } = await cluster.get(name, "/cluster");
      const { watermark } = body as { watermark: string | null };
      return watermark !== null && Date.parse(watermark) > nowMs;
    });
  }
}

/** Nothing that is deleted is forgotten while a test runs. */
const LASTING = { "tombstones.minRetentionMs": "600000" };

describe("a watch", () => {
  const cluster = new RunningCluster();
  beforeAll(async () => {
    await cluster.run("n1", undefined, LASTING);
    await cluster.run("n2", "n1", LASTING);
    for (const name of ["n1", "n2"]) await cluster.takesWrites(name);
  });
  afterAll(() => cluster.dispose());

  it("begins with what is there, then tells what happens under the prefix and nothing else", async () => {
    await cluster.put("n1", "one/a", "1");
    await cluster.put("n1", "other", "x");
    const gone = await cluster.put("n1", "one/gone", "x");
    expect(await remove(cluster, "n1", "one/gone")).not.toBe(gone);
    const reader = await open(cluster, "n1", { prefix: "one/" });
    expect(await reader.until("synced")).toEqual(["put one/a", "synced"]);
    await cluster.put("n1", "other", "y");
    const version = await cluster.put("n1", "one/b", "2");
    expect(await reader.next()).toEqual({
      event: "put",
      id: expect.stringMatching(/^1,[0-9a-f]{12},n1~/),
      data: {
        key: "one/b",
        version,
        contentType: "text/plain;charset=UTF-8",
        size: 1,
        value: Buffer.from("2").toString("base64"),
      },
    });
    const deleted = await remove(cluster, "n1", "one/b");
    expect((await reader.next())?.data).toEqual({ key: "one/b", version: deleted, expired: false });
    reader.close();
  });

  it("says of a deletion that a value which it had not seen stands beside it", async () => {
    const url = `${cluster.server("n1").address}/kv/beside/a`;
    const first = await fetch(url, { method: "PUT", body: "1" });
    const { context } = (await first.json()) as { context: string };
    await cluster.put("n1", "beside/a", "2");
    const reader = await open(cluster, "n1", { prefix: "beside/" });
    await reader.until("synced");
    const deleted = await fetch(url, { method: "DELETE", headers: { "hearsay-context": context } });
    const { version } = (await deleted.json()) as { version: string };
    expect(await reader.next()).toMatchObject({
      event: "delete",
      data: { key: "beside/a", version, expired: false, conflicts: 1 },
    });
    reader.close();
  });

  it("goes on behind its cursor on the same node and on another one, deletions included", async () => {
    for (const key of ["a", "b", "c", "d"]) await cluster.put("n1", `two/${key}`, "1");
    const first = await open(cluster, "n1", { prefix: "two/" });
    await first.until("synced");
    await settled(cluster, "n1", "n2");
    await cluster.put("n1", "two/a", "2");
    await first.until("put", "two/a");
    const { id } = first;
    first.close();
    await cluster.put("n1", "two/b", "2");
    await remove(cluster, "n1", "two/c");
    await cluster.put("n2", "two/e", "1");
    await cluster.put("n2", "unrelated", "1");
    await settled(cluster, "n1", "n2");
    for (const name of ["n1", "n2"]) {
      const again = await open(cluster, name, { prefix: "two/", since: id });
      const seen = new Set(await again.until("synced"));
      // What was told just before the cut may come twice on another node.
      seen.delete("put two/a");
      expect([name, [...seen].sort()]).toEqual([name, ["delete two/c", "put two/b", "put two/e", "synced"]]);
      again.close();
    }
  });

  it("takes the cursor from Last-Event-ID before that of the query", async () => {
    await cluster.put("n1", "three/a", "1");
    const first = await open(cluster, "n1", { prefix: "three/" });
    await first.until("synced");
    await cluster.put("n1", "three/b", "1");
    const url = cluster.server("n1").address + path({ prefix: "three/", since: "now" });
    const again = await EventReader.open(url, { "Last-Event-ID": first.id });
    expect(await again.until("synced")).toEqual(["put three/b", "synced"]);
    first.close();
    again.close();
  });

  it("leaves out what is there for since=now, and values for keys=true", async () => {
    await cluster.put("n1", "four/a", "1");
    const reader = await open(cluster, "n1", { prefix: "four/", since: "now", keys: "true" });
    expect(await reader.until("synced")).toEqual(["synced"]);
    await cluster.put("n2", "four/b", "2");
    expect((await reader.next())?.data).toEqual({
      key: "four/b",
      version: expect.stringContaining("-n2~"),
      contentType: "text/plain;charset=UTF-8",
      size: 1,
    });
    reader.close();
  });

  it("tells that a value has expired, live and to those who come back", async () => {
    const put = async (key: string, ttl: string): Promise<void> => {
      const url = `${cluster.server("n1").address}/kv/${key}?ttl=${ttl}`;
      await (await fetch(url, { method: "PUT", body: "x" })).arrayBuffer();
    };
    await put("five/soon", "700ms");
    await put("five/later", "1h");
    const reader = await open(cluster, "n1", { prefix: "five/" });
    expect(await reader.until("synced")).toEqual(["put five/later", "put five/soon", "synced"]);
    const { id } = reader;
    expect((await reader.next())?.data).toMatchObject({ key: "five/soon", expired: true });
    reader.close();
    for (const name of ["n1", "n2"]) {
      const again = await open(cluster, name, { prefix: "five/", since: id });
      expect([name, await again.until("delete", "five/soon")]).toContainEqual(
        expect.arrayContaining(["delete five/soon"]),
      );
      again.close();
    }
  });

  it("answers one batch with wait: at once if there is something, else with the first that happens", async () => {
    await cluster.put("n1", "six/a", "1");
    const poll = async (query: Readonly<Record<string, string>>): Promise<WatchBatch> => {
      const { status, body } = await cluster.get("n1", path({ prefix: "six/", ...query }));
      expect([status, validatorOf(WatchBatch).Errors(body)]).toEqual([200, [true, []]]);
      return body as WatchBatch;
    };
    const first = await poll({ wait: "60s" });
    expect(first.events.map(({ event }) => event)).toEqual(["put", "synced"]);
    const nothing = await poll({ wait: "10ms", since: first.cursor });
    expect(nothing.events.map(({ event }) => event)).toEqual(["synced"]);
    const waiting = poll({ wait: "60s", since: nothing.cursor });
    await cluster.until("the poll waits", async () => {
      const { body } = await cluster.get("n1", "/metrics");
      return /^hearsay_watchers 1$/m.test(String(body));
    });
    await cluster.put("n1", "elsewhere", "1");
    await cluster.put("n1", "six/b", "1");
    const found = await waiting;
    expect(found.events[0]).toMatchObject({ event: "put", data: { key: "six/b" } });
    const rest = await poll({ wait: "10ms", since: found.cursor });
    expect(rest.events.map(({ event }) => event)).toEqual(["synced"]);
  });

  it("refuses cursors that are none, of other clusters, or from the future", async () => {
    const reader = await open(cluster, "n1", { prefix: "seven/" });
    await reader.until("synced");
    const { id } = reader;
    reader.close();
    const [format, tag = "", ...rest] = id.split(",");
    const foreign = [format, tag.replaceAll(/./g, "0"), ...rest].join(",");
    const ahead = id.replace(/,[0-9a-z]+(,[0-9a-f]{16},)/, ",zzzzzzzz$1");
    const codes: unknown[] = [];
    for (const since of ["nonsense", `${id},`, foreign, ahead]) {
      const { status, body } = await cluster.get("n1", path({ since }));
      codes.push([status, (body as { code: string }).code]);
    }
    expect(codes).toEqual([
      [400, "invalid_cursor"],
      [400, "invalid_cursor"],
      [400, "cursor_of_other_cluster"],
      [400, "invalid_cursor"],
    ]);
    const { body } = await cluster.get("n1", path({ wait: "2 s" }));
    expect(body).toMatchObject({ code: "invalid_query" });
  });

  it("begins anew for a cursor of a node that is no member", async () => {
    await cluster.put("n1", "eight/a", "1");
    const reader = await open(cluster, "n1", { prefix: "eight/" });
    await reader.until("synced");
    const since = reader.id.replace(/,n1~[0-9a-z]{10},/, ",n1~0000000000,");
    const again = await open(cluster, "n1", { prefix: "eight/", since });
    expect(await again.next()).toMatchObject({ event: "reset", id: "", data: { reason: "unknown_node" } });
    expect(await again.until("synced")).toEqual(["put eight/a", "synced"]);
    const { body } = await cluster.get("n1", path({ prefix: "eight/", since, wait: "10ms" }));
    expect((body as WatchBatch).events.map(({ event }) => event)).toEqual(["reset", "put", "synced"]);
    reader.close();
    again.close();
  });
});

describe("a node that stops or is limited", () => {
  const cluster = new RunningCluster();
  afterEach(() => cluster.dispose());

  it("ends its streams when it stops, goes on behind cursors when it is back, and tells no more than has happened", async () => {
    await cluster.run("n1", undefined, LASTING);
    await cluster.takesWrites("n1");
    for (const key of ["a", "b", "c"]) await cluster.put("n1", `p/${key}`, "1");
    const reader = await open(cluster, "n1", { prefix: "p/" });
    await reader.until("synced");
    await settled(cluster, "n1");
    await cluster.put("n1", "p/a", "2");
    await reader.until("put", "p/a");
    const { id } = reader;
    await remove(cluster, "n1", "p/b");
    await cluster.stop("n1");
    await reader.until("delete", "p/b");
    expect(await reader.next()).toBeUndefined();
    await cluster.run("n1", undefined, LASTING);
    await cluster.takesWrites("n1");
    const again = await open(cluster, "n1", { prefix: "p/", since: id });
    expect(await again.until("synced")).toEqual(["delete p/b", "synced"]);
    again.close();
  });

  it("begins anew once deletions may be forgotten that the reader has not heard of", async () => {
    await cluster.start("n1");
    await cluster.put("n1", "p/a", "1");
    await cluster.put("n1", "p/b", "1");
    const reader = await open(cluster, "n1", { prefix: "p/" });
    await reader.until("synced");
    const { id } = reader;
    reader.close();
    await remove(cluster, "n1", "p/a");
    await cluster.until("the deletion is purged", async () => {
      const { body } = await cluster.get("n1", "/cluster/tombstones");
      return (body as { count: number }).count === 0;
    });
    const again = await open(cluster, "n1", { prefix: "p/", since: id });
    expect(await again.next()).toMatchObject({ event: "reset", data: { reason: "cursor_too_old" } });
    expect(await again.until("synced")).toEqual(["put p/b", "synced"]);
    again.close();
  });

  it("refuses more watchers than it takes on, and lets in others when some have gone", async () => {
    await cluster.run("n1", undefined, { "watch.maxWatchers": "2" });
    const readers = [await open(cluster, "n1", {}), await open(cluster, "n1", {})];
    const refused = await fetch(cluster.server("n1").address + path({}));
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await refused.json()).toMatchObject({ code: "too_many_watchers" });
    readers[0]?.close();
    await cluster.until("there is room", async () => {
      const answer = await fetch(cluster.server("n1").address + path({ wait: "0s" }));
      await answer.arrayBuffer();
      return answer.status === 200;
    });
    readers[1]?.close();
  });
});
