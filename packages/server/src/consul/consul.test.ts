/** Consul's KV API by raw requests, as Consul's documentation describes them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunningCluster } from "../testing/running-cluster.ts";
import { contact } from "./leadership.ts";

interface Entry {
  readonly Key: string;
  readonly Flags: number;
  readonly Value: string | null;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly LockIndex: number;
}

const cluster = new RunningCluster();
beforeAll(() => cluster.start("n1", "n2"));
afterAll(() => cluster.dispose());

async function ask(method: string, path: string, body?: string, node = "n1") {
  const answer = await fetch(`${cluster.server(node).address}/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: { "X-Consul-Token": "anything" },
  });
  const text = await answer.text();
  return { status: answer.status, text, headers: answer.headers, json: (): unknown => JSON.parse(text) };
}

async function entry(key: string, node?: string): Promise<Entry> {
  const [found] = (await ask("GET", `/kv/${key}`, undefined, node)).json() as Entry[];
  if (found === undefined) throw new Error(`no ${key}`);
  return found;
}

const decoded = ({ Value }: Entry): string => Buffer.from(Value ?? "", "base64").toString();

describe("keys", () => {
  it("are put and got with flags of 64 bits, which every replica has and /kv leaves beside the bytes", async () => {
    const put = await ask("PUT", "/kv/a/b%20c?flags=18446744073709551615", "value");
    expect([put.status, put.text, put.headers.get("content-type")]).toEqual([
      200,
      "true",
      "application/json",
    ]);
    const got = await ask("GET", "/kv/a/b%20c");
    expect(got.text).toContain('"Flags":18446744073709551615,');
    expect(await entry("a/b%20c")).toMatchObject({ Key: "a/b c", Value: btoa("value"), LockIndex: 0 });
    await cluster.until(
      "n2 has it",
      async () => (await ask("GET", "/kv/a/b%20c", undefined, "n2")).status === 200,
    );
    expect((await ask("GET", "/kv/a/b%20c", undefined, "n2")).text).toBe(got.text);
    const raw = await fetch(`${cluster.server("n2").address}/kv/a/b%20c`);
    expect(await raw.text()).toBe("value");
  });

  it("that were written through /kv have no flags, and empty values are null", async () => {
    await cluster.put("n1", "plain", "x");
    expect(await entry("plain")).toMatchObject({ Flags: 0, Value: btoa("x") });
    await ask("PUT", "/kv/empty", "");
    expect((await entry("empty")).Value).toBeNull();
  });

  it("are raw with raw, and 404 with an index and without a body when they are missing", async () => {
    await ask("PUT", "/kv/raw", "<b>");
    const raw = await ask("GET", "/kv/raw?raw");
    expect([raw.text, raw.headers.get("content-security-policy")]).toEqual(["<b>", "sandbox"]);
    const missing = await ask("GET", "/kv/nothing?raw&dc=dc1&stale&token=t");
    expect([missing.status, missing.text]).toEqual([404, ""]);
    expect(Number(missing.headers.get("x-consul-index"))).toBeGreaterThan(0);
    expect(missing.headers.get("x-consul-knownleader")).toBe("true");
    expect(missing.headers.get("x-consul-lastcontact")).toBe("0");
  });

  it("are listed below a prefix, by name only with keys, and as folders with a separator", async () => {
    for (const key of ["t/a", "t/d/1", "t/d/2", "t/e/f/1", "u"]) await ask("PUT", `/kv/${key}`, key);
    const all = (await ask("GET", "/kv/t/?recurse")).json() as Entry[];
    expect(all.map((found) => [found.Key, decoded(found)])).toEqual(
      ["t/a", "t/d/1", "t/d/2", "t/e/f/1"].map((key) => [key, key]),
    );
    expect((await ask("GET", "/kv/t/?keys")).json()).toEqual(["t/a", "t/d/1", "t/d/2", "t/e/f/1"]);
    expect((await ask("GET", "/kv/t/?keys&separator=/")).json()).toEqual(["t/a", "t/d/", "t/e/"]);
    expect((await ask("GET", "/kv/?keys&separator=/")).json()).toContain("t/");
    expect((await ask("GET", "/kv/t/?keys&seperator=/")).json()).toEqual(["t/a", "t/d/", "t/e/"]);
    expect((await ask("GET", "/kv/none/?recurse")).status).toBe(404);
    // Bytes of one of them alone would pass for all there is.
    expect((await ask("GET", "/kv/t/?recurse&raw")).json()).toEqual(all);
    expect((await ask("DELETE", "/kv/t/d?recurse")).text).toBe("true");
    expect((await ask("GET", "/kv/t/?keys")).json()).toEqual(["t/a", "t/e/f/1"]);
  });

  it("are written under a check of their index only", async () => {
    expect((await ask("PUT", "/kv/c?cas=0", "1")).text).toBe("true");
    expect((await ask("PUT", "/kv/c?cas=0", "2")).text).toBe("false");
    const { ModifyIndex } = await entry("c");
    expect((await ask("PUT", `/kv/c?cas=${ModifyIndex}`, "2")).text).toBe("true");
    expect((await ask("PUT", `/kv/c?cas=${ModifyIndex}`, "3")).text).toBe("false");
    expect((await ask("DELETE", `/kv/c?cas=${ModifyIndex}`)).text).toBe("false");
    expect(decoded(await entry("c"))).toBe("2");
    expect((await ask("DELETE", `/kv/c?cas=${(await entry("c")).ModifyIndex}`)).text).toBe("true");
    expect((await ask("DELETE", "/kv/c")).text).toBe("true");
    for (const index of [0, 7]) expect((await ask("DELETE", `/kv/c?cas=${index}`)).text).toBe("true");
    expect((await ask("PUT", "/kv/c?cas=0", "4")).text).toBe("true");
  });

  it("cannot be locked, and faults are told in plain text", async () => {
    const answers: unknown[] = [];
    for (const [method, path] of [
      ["PUT", "/kv/k?acquire=s"],
      ["PUT", "/kv/k?release=s"],
      ["PUT", "/kv/k?flags=x"],
      ["PUT", "/kv/k?cas=x"],
      ["PUT", "/kv/"],
      ["GET", "/kv/"],
      ["GET", "/kv/k?index=x"],
      ["GET", "/kv/k?index=1&wait=x"],
      ["DELETE", "/kv/k?recurse&cas=1"],
      ["GET", "/kv/%ff"],
    ] as const) {
      const { status, text, headers } = await ask(method, path, method === "PUT" ? "v" : undefined);
      answers.push([path, status, headers.get("content-type")]);
      expect(text.length).toBeGreaterThan(5);
    }
    expect(answers.map((answer) => (answer as unknown[])[1])).toEqual([
      501, 501, 400, 400, 400, 400, 400, 400, 400, 400,
    ]);
    const large = await ask("PUT", "/kv/k", "x".repeat(1024 * 1024 + 1));
    expect([large.status, large.headers.get("content-type")]).toEqual([413, "text/plain; charset=utf-8"]);
  });
});

describe("blocking queries", () => {
  const indexOf = (answer: { headers: Headers }): number => Number(answer.headers.get("x-consul-index"));

  it("wake for what is under their prefix, also a key that was missing, and for nothing else", async () => {
    const index = indexOf(await ask("GET", "/kv/block/key"));
    let isDone = false;
    const waiting = ask("GET", `/kv/block/key?index=${index}&wait=60s`).then((answer) => {
      isDone = true;
      return answer;
    });
    const tree = ask("GET", `/kv/block/?recurse&index=${index}&wait=60s`);
    await cluster.until("both wait", async () => {
      const { body } = await cluster.get("n1", "/metrics");
      return /^hearsay_watchers 2$/m.test(String(body));
    });
    await ask("PUT", "/kv/elsewhere", "1");
    await ask("PUT", "/kv/block/key2", "1");
    expect((await tree).json()).toMatchObject([{ Key: "block/key2" }]);
    expect(isDone).toBe(false);
    await ask("PUT", "/kv/block/key", "2", "n2");
    const answer = await waiting;
    expect(answer.json()).toMatchObject([{ Key: "block/key", Value: btoa("2") }]);
    expect(indexOf(answer)).toBeGreaterThan(index);
    expect(indexOf(await ask("GET", "/kv/block/key"))).toBe(indexOf(answer));
  });

  it("keep their index when the time is over, and answer at once when something is newer", async () => {
    await ask("PUT", "/kv/time", "1");
    const before = indexOf(await ask("GET", "/kv/time"));
    await ask("PUT", "/kv/other", "1");
    expect(indexOf(await ask("GET", `/kv/time?index=${before}&wait=10ms`))).toBe(before);
    const patient = ["0", "0s"].map((wait) => ask("GET", `/kv/time?index=${before}&wait=${wait}`));
    await cluster.until("they wait, as without a time", async () =>
      /^hearsay_watchers 2$/m.test(String((await cluster.get("n1", "/metrics")).body)),
    );
    await ask("DELETE", "/kv/time");
    const gone = await ask("GET", `/kv/time?index=${before}`);
    expect([gone.status, indexOf(gone) > before]).toEqual([404, true]);
    expect((await Promise.all(patient)).map(({ status }) => status)).toEqual([404, 404]);
  });

  it("of an index of another node answer at once, and a ModifyIndex is one to wait with", async () => {
    await ask("PUT", "/kv/roam", "1");
    await cluster.until(
      "n2 has it",
      async () => (await ask("GET", "/kv/roam", undefined, "n2")).status === 200,
    );
    const elsewhere = indexOf(await ask("GET", "/kv/roam", undefined, "n2"));
    expect((await ask("GET", `/kv/roam?index=${elsewhere}`)).status).toBe(200);
    const { ModifyIndex } = await entry("roam");
    expect(ModifyIndex).toBeLessThan(indexOf(await ask("GET", "/kv/roam")));
    const waited = await ask("GET", `/kv/roam?index=${ModifyIndex}&wait=10ms`);
    expect(waited.status).toBe(200);
    expect((await ask("GET", `/kv/roam?index=${ModifyIndex - 1}`)).status).toBe(200);
  });

  it("of a prefix's greatest ModifyIndex wait while nothing else happened there, and miss no deletion", async () => {
    for (const key of ["older", "newest"]) await ask("PUT", `/kv/many/${key}`, "1");
    const { ModifyIndex } = await entry("many/newest");
    const waiting = ask("GET", `/kv/many/?recurse&index=${ModifyIndex}`);
    await cluster.until("it waits", async () =>
      /^hearsay_watchers 1$/m.test(String((await cluster.get("n1", "/metrics")).body)),
    );
    await ask("DELETE", "/kv/many/older");
    const left = [{ Key: "many/newest" }];
    expect((await waiting).json()).toMatchObject(left);
    expect((await ask("GET", `/kv/many/?recurse&index=${ModifyIndex}`)).json()).toMatchObject(left);
  });
});

describe("a transaction", () => {
  const run = (operations: readonly unknown[]) =>
    ask("PUT", "/txn", JSON.stringify(operations.map((KV) => ({ KV }))));

  it("does all or nothing, each operation after those before it", async () => {
    await ask("PUT", "/kv/x/old", "old");
    const done = await run([
      { Verb: "check-not-exists", Key: "x/a" },
      { Verb: "set", Key: "x/a", Value: btoa("1"), Flags: 7 },
      { Verb: "get", Key: "x/a" },
      { Verb: "delete", Key: "x/old" },
      { Verb: "get-tree", Key: "x/" },
      { Verb: "get-or-empty", Key: "x/none" },
    ]);
    expect(done.status).toBe(200);
    const { ModifyIndex } = await entry("x/a");
    const made = { Key: "x/a", Flags: 7, ModifyIndex };
    expect(done.json()).toMatchObject({
      Results: [
        { KV: { ...made, Value: null } },
        { KV: { ...made, Value: btoa("1") } },
        { KV: made },
        { KV: { Key: "x/none", Value: null } },
      ],
      Errors: null,
    });
    const failed = await run([
      { Verb: "set", Key: "x/b", Value: btoa("1") },
      { Verb: "cas", Key: "x/a", Value: btoa("2"), Index: 1 },
      { Verb: "check-index", Key: "x/a", Index: ModifyIndex },
      { Verb: "get", Key: "x/none" },
      { Verb: "delete-cas", Key: "x/a", Index: 2 },
      { Verb: "dance", Key: "x" },
      { Verb: "delete-cas", Key: "x/none", Index: 2 },
      { Verb: "check-index", Key: "x/a", Index: 1 },
      { Verb: "check-index", Key: "x/none", Index: 1 },
    ]);
    expect([failed.status, failed.json()]).toEqual([
      409,
      {
        Results: null,
        Errors: [
          { OpIndex: 1, What: 'failed to set key "x/a", index is stale' },
          { OpIndex: 3, What: 'key "x/none" doesn\'t exist' },
          { OpIndex: 4, What: 'failed to delete key "x/a", index is stale' },
          { OpIndex: 5, What: 'unknown KV verb "dance"' },
          { OpIndex: 7, What: `failed index check for key "x/a", current modify index ${ModifyIndex} != 1` },
          { OpIndex: 8, What: 'failed to check index, key "x/none" doesn\'t exist' },
        ],
      },
    ]);
    expect((await ask("GET", "/kv/x/?keys")).json()).toEqual(["x/a"]);
    await run([{ Verb: "delete-tree", Key: "x/" }]);
    expect((await ask("GET", "/kv/x/?keys")).status).toBe(404);
  });

  it("keeps all 64 bits of flags", async () => {
    const flags = ["18446744073709551615", "9007199254740993"];
    const body = flags.map((Flags, i) => `{"KV":{"Verb":"set","Key":"flags/${i}","flags" : ${Flags}}}`);
    expect((await ask("PUT", "/txn", `[${body.join(",")}]`)).status).toBe(200);
    const { text } = await ask("GET", "/kv/flags/?recurse");
    expect(text.match(/(?<="Flags":)\d+/g)).toEqual(flags);
  });

  it("that is none is refused", async () => {
    const statuses: number[] = [];
    for (const body of [
      "{",
      "{}",
      '[{"Node":{}}]',
      '[{"KV":{"Verb":"lock","Key":"k"}}]',
      '[{"KV":{"Verb":"set"}}]',
    ]) {
      statuses.push((await ask("PUT", "/txn", body)).status);
    }
    statuses.push((await run(Array.from({ length: 129 }, () => ({ Verb: "get", Key: "k" })))).status);
    statuses.push((await run([{ Verb: "set", Key: "k", Value: "?" }])).status);
    expect(statuses).toEqual([400, 400, 501, 501, 400, 413, 400]);
  });
});

it("an agent says who it is and who else is there", async () => {
  const leader = (await ask("GET", "/status/leader")).json();
  expect(leader).toBe(cluster.address("n1"));
  const peers = (await ask("GET", "/status/peers")).json() as string[];
  expect(peers.sort()).toEqual([cluster.address("n1"), cluster.address("n2")].sort());
  expect((await ask("GET", "/agent/self")).json()).toMatchObject({
    Config: { Datacenter: "hearsay", NodeName: "n1", Server: true },
    Member: { Name: "n1", Status: 1 },
  });
  const members = (await ask("GET", "/agent/members")).json() as { Name: string }[];
  expect(members.map(({ Name }) => Name).sort()).toEqual(["n1", "n2"]);
  const nodes = await ask("GET", "/catalog/nodes");
  expect(nodes.json()).toMatchObject([{ Address: "127.0.0.1" }, { Address: "127.0.0.1" }]);
  expect(nodes.headers.get("x-consul-index")).not.toBeNull();
});

it("a node that has not caught up with its cluster does not pass for one that has no keys", async () => {
  await cluster.run("n3", undefined, { join: "127.0.0.1:1" });
  const answers = await Promise.all([
    ask("GET", "/kv/t/?recurse", undefined, "n3"),
    ask("GET", "/kv/?keys", undefined, "n3"),
    ask("GET", "/kv/c?index=1", undefined, "n3"),
  ]);
  expect(answers.map(({ status, text }) => [status, text.slice(0, 17)])).toEqual(
    answers.map(() => [500, "No cluster leader"]),
  );
  expect((await ask("GET", "/status/leader", undefined, "n3")).json()).toBe("");
  const { status, headers } = await ask("GET", "/kv/c?stale", undefined, "n3");
  expect([status, headers.get("x-consul-knownleader")]).toEqual([404, "false"]);
  expect(Number(headers.get("x-consul-lastcontact"))).toBeGreaterThan(60_000);
  expect((await ask("GET", "/kv/?keys&stale", undefined, "n3")).json()).toEqual([]);
  const whole = await ask("GET", "/kv/c?stale");
  expect([whole.headers.get("x-consul-knownleader"), whole.headers.get("x-consul-lastcontact")]).toEqual([
    "true",
    "0",
  ]);
});

it("a node that is cut off from the others says since when, and goes on answering", () => {
  expect([contact(true, 800), contact(true, 60_000), contact(false, 800), contact(false, -5)]).toEqual([
    { knowsAll: true, lastMs: 0 },
    { knowsAll: true, lastMs: 60_000 },
    { knowsAll: false, lastMs: 800 },
    { knowsAll: false, lastMs: 1 },
  ]);
});
