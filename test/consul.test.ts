/** The npm client of Consul's API, unchanged, against a node. */
import Consul from "consul";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endAllNodes, type RunningNode, startNode, temporaryDirectory } from "./cli-process.ts";

const directory = temporaryDirectory();
let node: RunningNode;
let consul: Consul;

beforeAll(async () => {
  node = await startNode(directory.path);
  const { hostname, port } = new URL(node.url);
  consul = new Consul({ host: hostname, port: Number(port), defaults: { token: "ignored" } });
});

afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

describe("the npm package consul", () => {
  it("sets, gets, lists and deletes keys", async () => {
    expect(await consul.kv.set({ key: "app/colour", value: "blue", flags: 42 })).toBe(true);
    expect(await consul.kv.get("app/colour")).toMatchObject({
      Key: "app/colour",
      Value: "blue",
      Flags: 42,
      LockIndex: 0,
    });
    expect(String(await consul.kv.get({ key: "app/colour", raw: true }))).toBe("blue");
    await consul.kv.set("app/d/x", "1");
    expect(await consul.kv.keys("app/")).toEqual(["app/colour", "app/d/x"]);
    expect(await consul.kv.keys({ key: "app/", separator: "/" })).toEqual(["app/colour", "app/d/"]);
    expect(await consul.kv.get({ key: "app/", recurse: true })).toMatchObject([
      { Key: "app/colour" },
      { Key: "app/d/x" },
    ]);
    expect(await consul.kv.get("app/none")).toBeUndefined();
    await consul.kv.del({ key: "app/d/", recurse: true });
    expect(await consul.kv.keys("app/")).toEqual(["app/colour"]);
  });

  it("checks and sets, and runs transactions", async () => {
    expect(await consul.kv.set({ key: "cas", value: "1", cas: 0 })).toBe(true);
    expect(await consul.kv.set({ key: "cas", value: "2", cas: 0 })).toBeFalsy();
    const { ModifyIndex } = (await consul.kv.get("cas")) as { ModifyIndex: number };
    expect(await consul.kv.set({ key: "cas", value: "2", cas: ModifyIndex })).toBe(true);
    // The package's types name the fields otherwise than what it sends, which is what is given here.
    const operations: unknown = [
      { KV: { Verb: "set", Key: "txn", Value: btoa("in") } },
      { KV: { Verb: "get", Key: "txn" } },
    ];
    const { Results } = await consul.transaction.create(operations as never[], { operations: [] });
    expect(Results).toMatchObject([{ KV: { Key: "txn" } }, { KV: { Key: "txn", Value: btoa("in") } }]);
  });

  it("watches a key by blocking queries, and is told of its change alone", async () => {
    const watch = consul.watch({ method: consul.kv.get, options: { key: "watched" }, backoffFactor: 10 });
    const values: unknown[] = [];
    const changed = (count: number): Promise<void> =>
      new Promise((resolve) => {
        watch.on("change", (data: { Value: string } | undefined) => {
          values.push(data?.Value);
          if (values.length === count) resolve();
        });
      });
    const all = changed(3);
    await new Promise<void>((resolve) => watch.once("change", () => resolve()));
    await consul.kv.set("unrelated", "1");
    await consul.kv.set("watched", "1");
    await consul.kv.set("unrelated", "2");
    await until(() => values.length === 2);
    await consul.kv.set("watched", "2");
    await all;
    watch.end();
    expect(values).toEqual([undefined, "1", "2"]);
  });

  it("finds out who is there", async () => {
    expect(await consul.status.leader()).toBe(new URL(node.url).host);
    expect(await consul.status.peers()).toEqual([new URL(node.url).host]);
    expect(await consul.agent.self()).toMatchObject({ Config: { NodeName: "n1" } });
    expect(await consul.agent.members()).toMatchObject([{ Name: "n1", Status: 1 }]);
    expect(await consul.catalog.node.list()).toMatchObject([{ Node: "n1", Address: "127.0.0.1" }]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: 30_000, interval: 10 }).toBe(true);
}
