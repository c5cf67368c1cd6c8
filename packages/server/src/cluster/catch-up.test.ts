/** Reads of many keys that are to see certain writes, on whole nodes that exchange only when something makes them. */
import { parseVersion, type Version } from "@hearsay/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { harness } from "../testing/harness.ts";
import { RunningCluster } from "../testing/running-cluster.ts";
import { CatchUp } from "./catch-up.ts";

const FOREIGN = "zzzzzzzzzz-other~0123456789";

describe("of two nodes that exchange once an hour", () => {
  const cluster = new RunningCluster();
  const rare = { "antiEntropy.intervalMs": "3600000" };

  beforeAll(async () => {
    await cluster.run("n1", undefined, rare);
    await cluster.run("n2", "n1", rare);
    await Promise.all([cluster.takesWrites("n1"), cluster.takesWrites("n2")]);
  });
  afterAll(() => cluster.dispose());

  async function ask(path: string, after: string, body?: object): Promise<string> {
    const answer = await fetch(`${cluster.server("n2").address}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "Hearsay-After": after, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return `${answer.status} ${await answer.text()}`;
  }

  /** What the node knows of the other is told by exchanges alone, whatever mail has brought. */
  const exchanges = async (): Promise<number> => {
    const text = await (await fetch(`${cluster.server("n2").address}/metrics`)).text();
    return Number(/event="hearsay_exchanges_total".* (\d+)$/m.exec(text)?.[1] ?? 0);
  };

  it("a listing, a batch and the conflicts of the other show what one has acknowledged", async () => {
    const before = await exchanges();
    const first = await cluster.put("n1", "list/a", "1");
    expect(await ask("/kv?prefix=list/&keys=true", first)).toMatch(/^200 .*"key":"list\/a"/);
    expect(await exchanges()).toBe(before + 1);
    const second = await cluster.put("n1", "list/b", "2");
    const reads = { operations: [{ op: "get", key: "list/b" }] };
    expect(await ask("/kv", `${first}, "${second}"`, reads)).toMatch(/^200 .*"found":true/);
    const third = await cluster.put("n1", "list/c", "3");
    expect(await ask("/conflicts?prefix=list/", third)).toBe('200 {"items":[],"next":null}');
    expect(await exchanges()).toBe(before + 3);
    expect(await ask("/kv?keys=true", third)).toMatch(/^200/);
    expect(await exchanges()).toBe(before + 3);
  });

  it("many requests at a time make one exchange", async () => {
    const before = await exchanges();
    const version = await cluster.put("n1", "list/d", "4");
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => ask("/kv?prefix=list/&keys=true", version)),
    );
    expect(answers.every((answer) => answer.includes("list/d"))).toBe(true);
    expect(await exchanges()).toBeLessThan(before + 5);
  });

  it("what is no version, and more than a header may name, is refused", async () => {
    const many = Array.from({ length: 65 }, () => `0${FOREIGN}`).join();
    for (const after of ["x", `0${FOREIGN},`, many])
      expect(await ask("/kv", after)).toMatch(/^400 .*"invalid_header"/);
  });
});

describe("a node alone", () => {
  const foreign: Version = parseVersion(`0${FOREIGN}`) ?? { time: 0, node: "" };

  it("answers what it wrote itself at once, and refuses what it cannot come to hold when the time is over", async () => {
    const { services, close } = await harness();
    const catchUp = new CatchUp({ node: services.node, member: () => undefined });
    const limits = { timeoutMs: 20, maxWaiting: 1, isGone: () => false };
    const written = services.node.write("k", { kind: "tombstone" }, undefined);
    if ("code" in written) throw new Error(written.code);
    await written.committed;
    await catchUp.until([written.version], { ...limits, maxWaiting: 0 });
    const waits = catchUp.until([written.version, foreign], limits);
    await expect(catchUp.until([foreign], limits)).rejects.toMatchObject({ code: "overloaded" });
    await expect(waits).rejects.toMatchObject({ code: "not_yet" });
    await expect(catchUp.until([foreign], { ...limits, isGone: () => true })).rejects.toMatchObject({
      code: "not_yet",
    });
    await close();
  });
});
