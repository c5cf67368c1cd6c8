import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  documents,
  endAllNodes,
  type Finished,
  hearsay,
  type RunningNode,
  startNode,
  temporaryDirectory,
} from "./cli-process.ts";

const directory = temporaryDirectory();
let node: RunningNode;

beforeAll(async () => {
  node = await startNode(join(directory.path, "n1"));
});

afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

/** Runs a command against the node. */
function at(...args: readonly string[]): Promise<Finished> {
  return hearsay(args, { env: { HEARSAY_ENDPOINT: node.url } });
}

function withInput(input: string | Uint8Array, ...args: readonly string[]): Promise<Finished> {
  return hearsay(args, { input, env: { HEARSAY_ENDPOINT: node.url } });
}

const VERSION = /^[0-9a-z]{11}-n1~[0-9a-z]{10}$/;

describe.concurrent("keys", () => {
  it("are put, read, listed, traced and deleted", async () => {
    const put = await at("put", "fruit/apple", "red");
    expect(put).toMatchObject({ code: 0, err: "" });
    expect(put.text.trim()).toMatch(VERSION);
    expect((await at("get", "fruit/apple")).text).toBe("red");
    expect(documents(await at("get", "fruit/apple", "--json"))).toMatchObject([
      {
        key: "fruit/apple",
        text: "red",
        contentType: "text/plain; charset=utf-8",
        size: 3,
        version: put.text.trim(),
      },
    ]);
    await at("put", "fruit/apple", "green");
    expect((await at("ls", "fruit/")).text).toBe("fruit/apple\n");
    expect((await at("ls", "fruit/", "--long")).text).toContain("text/plain");
    const history = documents(await at("history", "fruit/apple", "--json"));
    expect(history).toMatchObject([{ key: "fruit/apple", versions: [{ size: 5 }, { size: 3 }] }]);
    expect((await at("history", "fruit/apple")).text).toContain(put.text.trim());
    expect((await at("del", "fruit/apple", "--json")).text).toContain('"version"');
    expect((await at("get", "fruit/apple")).err).toContain("was deleted");
    expect(await at("history", "fruit/apple")).toMatchObject({
      code: 0,
      text: expect.stringContaining("deleted"),
    });
  });

  it("carry any bytes through pipes and files", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    expect((await withInput(bytes, "put", "bytes", "-")).code).toBe(0);
    expect((await at("get", "bytes")).out).toEqual(bytes);
    const file = join(directory.path, "value.bin");
    writeFileSync(file, bytes);
    expect((await at("put", "file", "--file", file, "-t", "application/x-own")).code).toBe(0);
    expect(documents(await at("get", "file", "--json"))).toMatchObject([
      { contentType: "application/x-own", value: bytes.toString("base64") },
    ]);
  });

  it("may be what URL parsers rewrite, and are never shown raw when they steer the terminal", async () => {
    for (const key of [".", "odd/../key", "odd/ä ?#%2F&=+", "odd/\u001b[31m"]) {
      expect((await at("put", key, `value of ${key}`)).code).toBe(0);
      expect((await at("get", key)).text).toBe(`value of ${key}`);
    }
    const listed = (await at("ls", "odd/")).text;
    expect(listed).toContain("odd/../key\n");
    expect(listed).toContain('"odd/\\u001b[31m"\n');
  });

  it("with concurrent values are found, shown and resolved", async () => {
    const first = await at("put", "torn", "one", "--json");
    const [{ context } = { context: "" }] = documents(first) as { context: string }[];
    await at("put", "torn", "two", "--context", context);
    await at("put", "torn", "three", "--context", context);
    expect(documents(await at("conflicts", "torn", "--json"))).toMatchObject([
      { key: "torn", versions: [expect.stringMatching(VERSION), expect.stringMatching(VERSION)] },
    ]);
    expect((await at("conflicts")).text).toMatch(/^torn {2}/m);
    expect(documents(await at("get", "torn", "--siblings", "--json"))).toMatchObject([
      { siblings: [{ deleted: false }, { deleted: false }] },
    ]);
    expect((await at("get", "torn")).err).toContain("--siblings");
    const none = await at("resolve", "torn", "--take", "0g5xw1m2k3a-n1~abcdefghij");
    expect([none.code, none.err.split("\n")[0]]).toEqual([3, expect.stringContaining("has no sibling")]);
    expect((await at("resolve", "torn", "--delete", "--value", "x")).code).toBe(2);
    expect(documents(await at("resolve", "torn", "--value", "healed", "--json"))).toMatchObject([
      { key: "torn", siblings: 2 },
    ]);
    expect((await at("get", "torn")).text).toBe("healed");
    expect(await at("conflicts", "torn")).toMatchObject({ text: "", err: "no conflicts\n" });
    expect((await at("resolve", "torn")).err).toBe("torn had 1 concurrent value\n");
  });

  it("that were deleted are said to have a concurrent value when they have one", async () => {
    const first = await at("put", "half", "one", "--json");
    const [{ context } = { context: "" }] = documents(first) as { context: string }[];
    await at("put", "half", "two", "--context", context);
    await at("del", "half", "--context", context);
    const found = await at("get", "half");
    expect([found.code, found.err]).toEqual([3, expect.stringContaining("1 concurrent value stands")]);
  });

  it("are watched, and what has happened since a cursor is told", async () => {
    await at("put", "seen/a", "one");
    const first = await at("watch", "seen/", "--until-synced");
    expect([first.text, first.err]).toEqual(['put     seen/a  "one"\n', "synced\n"]);
    const events = documents(await at("watch", "seen/", "--until-synced", "--json"));
    expect(events).toMatchObject([{ event: "put", key: "seen/a", text: "one" }, { event: "synced" }]);
    const { cursor } = events.at(-1) as { cursor: string };
    await at("del", "seen/a");
    await at("put", "elsewhere", "x");
    const since = await at("watch", "seen/", "--since", cursor, "--until-synced", "--keys");
    expect(since.text).toBe("delete  seen/a\n");
    expect((await at("watch", "--since", "nonsense")).code).toBe(2);
    expect((await at("watch", "seen/", "--curl")).text).toMatch(/^curl .*\/watch\?prefix=seen%2F/);
  });

  it("expire", async () => {
    await at("put", "short", "v", "--ttl", "1ms");
    const gone = await at("get", "short");
    expect([gone.code, gone.err]).toEqual([3, expect.stringContaining("or has expired")]);
    expect((await at("get", "short", "--siblings")).text).toMatch(/1 byte of text.* \(expired\)$/m);
    await at("put", "long", "v", "--ttl", "1h");
    expect(documents(await at("get", "long", "--json"))).toMatchObject([{ expiresAt: expect.any(String) }]);
  });

  it("below a prefix are deleted together, but not unasked", async () => {
    for (const key of ["gone/1", "gone/2", "gonewest"]) await at("put", key, "v");
    const refused = await at("del", "gone/", "--prefix");
    expect(refused).toMatchObject({ code: 2, text: "" });
    expect(refused.err).toContain("--yes");
    expect((await at("ls", "gone")).text).toBe("gone/1\ngone/2\ngonewest\n");
    expect((await at("del", "gone/", "--prefix", "--yes")).text).toBe("2 keys deleted\n");
    expect((await at("ls", "gone")).text).toBe("gonewest\n");
  });
});

describe.concurrent("exit codes", () => {
  it("tell a missing key, a failed precondition, bad usage and an absent node apart", async () => {
    expect(await at("get", "nowhere")).toMatchObject({ code: 3, text: "" });
    await at("put", "guarded", "v");
    expect(await at("put", "guarded", "w", "--if-absent")).toMatchObject({ code: 4, text: "" });
    expect(await at("del", "guarded", "--if-match", "00000000000-n1~0123456789")).toMatchObject({ code: 4 });
    const [{ version } = { version: "" }] = documents(await at("get", "guarded", "--json")) as {
      version: string;
    }[];
    expect(await at("put", "guarded", "w", "--if-match", version)).toMatchObject({ code: 0 });
    expect(await at("gett", "k")).toMatchObject({
      code: 2,
      err: expect.stringContaining("Did you mean get?"),
    });
    expect(await at("get", "x".repeat(1025))).toMatchObject({ code: 2 });
    const absent = await hearsay(["get", "k", "--endpoint", await freeEndpoint()]);
    expect(absent).toMatchObject({ code: 5, text: "" });
    expect(absent.err).toContain("hearsay serve");
  });

  it("say with 6 that no answer came in time", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const late = await hearsay([
      "put",
      "k",
      "v",
      "--timeout",
      "50ms",
      "--endpoint",
      `http://127.0.0.1:${port}`,
    ]);
    silent.close();
    expect(late).toMatchObject({ code: 6, text: "" });
    expect(late.err).toContain("may have taken effect");
  });

  it("are the same though nobody reads the output, and what only lists ends", async () => {
    await fetch(`${node.url}/kv/unread`, { method: "PUT", body: "v" });
    const unread = async (...args: readonly string[]): Promise<number | undefined> =>
      (await hearsay(args, { unread: true, env: { HEARSAY_ENDPOINT: node.url } })).code;
    expect(await unread("doctor", "-e", await freeEndpoint())).toBe(1);
    expect(await unread("snapshot", "save", "-")).toBe(1);
    expect(await unread("watch")).toBe(0);
  });

  it("come with a reason and the next step, as JSON where asked", async () => {
    const finished = await at("get", "nowhere", "--json");
    expect(JSON.parse(finished.err)).toMatchObject({ error: { code: "not_found", exit: 3 } });
    const wrong = JSON.parse((await at("put", "k", "v", "--context", "nonsense", "--json")).err);
    expect(wrong).toMatchObject({ error: { code: "invalid_context", next: expect.any(String), exit: 2 } });
  });
});

async function freeEndpoint(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

describe.concurrent("endpoints", () => {
  it("are tried in turn", async () => {
    await at("put", "fallback", "v");
    const args = ["get", "fallback", "-e", await freeEndpoint(), "-e", node.url];
    expect(await hearsay(args)).toMatchObject({ code: 0, text: "v" });
  });
});
