import { execFile } from "node:child_process";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  documents,
  endAllNodes,
  type Finished,
  hearsay,
  MAIN,
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

describe.concurrent("--curl", () => {
  const shell = promisify(execFile);

  /** Runs what a command prints, and returns what that prints. */
  async function viaCurl(...args: readonly string[]): Promise<string> {
    const printed = await at(...args, "--curl");
    expect(printed).toMatchObject({ code: 0, err: "" });
    return (await shell("sh", ["-c", printed.text])).stdout;
  }

  it("prints requests that do what the command would have done", async () => {
    const key = "curl/it's $HOME & 100%";
    expect(JSON.parse(await viaCurl("put", key, "it's `a` \\ value\n@x"))).toMatchObject({ key });
    expect(await viaCurl("get", key)).toBe("it's `a` \\ value\n@x");
    expect(JSON.parse(await viaCurl("put", "./..", "dots", "--ttl", "1h", "--ack", "1"))).toMatchObject({
      key: "./..",
    });
    expect(await viaCurl("get", "./..")).toBe("dots");
    expect(JSON.parse(await viaCurl("ls", "curl/"))).toMatchObject({ items: [{ key }] });
    expect(JSON.parse(await viaCurl("history", key))).toMatchObject({ versions: [{ deleted: false }] });
    expect(JSON.parse(await viaCurl("conflicts", "curl/"))).toMatchObject({ items: [] });
    expect(await viaCurl("export", "curl/")).toContain('"value"');
    const file = join(directory.path, "one.ndjson");
    writeFileSync(file, '{"key":"curl/imported","value":"AP8="}\n');
    expect(await viaCurl("import", file)).toBe("");
    expect((await at("get", "curl/imported")).out).toEqual(Buffer.from([0, 255]));
    expect(JSON.parse(await viaCurl("del", key))).toMatchObject({ key });
    expect((await at("get", key)).code).toBe(3);
  });

  it("makes no request of its own", async () => {
    await at("put", "untouched", "v");
    expect((await at("del", "untouched", "--curl")).text).toMatch(/^curl -sS -X DELETE /);
    expect((await at("get", "untouched")).code).toBe(0);
  });
});

describe.concurrent("export and import", () => {
  it("carry text, bytes, types and expiry from one prefix to an empty node", async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x0a]);
    await at("put", "move/text", "line\nbreak");
    await withInput(bytes, "put", "move/bytes", "-", "-t", "image/x-own");
    await at("put", "move/short", "v", "--ttl", "1h");
    const exported = await at("export", "move/");
    expect(exported).toMatchObject({ code: 0, err: "3 records exported\n" });
    const other = await startNode(join(directory.path, "n1-other"));
    const imported = await hearsay(["import", "-", "--json", "-e", other.url], { input: exported.out });
    expect(documents(imported)).toMatchObject([{ records: 3, expired: 0, bytes: exported.out.length }]);
    const again = await hearsay(["export", "-e", other.url]);
    const content = (finished: Finished): unknown[] =>
      documents(finished).map((item) => ({ ...Object(item), version: undefined, expiresAt: undefined }));
    expect(content(again)).toEqual(content(exported));
    const expiry = (finished: Finished): number =>
      Date.parse(
        String(documents(finished).find((item) => Object(item).key === "move/short")?.["expiresAt" as never]),
      );
    expect(Math.abs(expiry(again) - expiry(exported))).toBeLessThan(5_000);
    expect(await other.end("SIGINT")).toBe(0);
  });

  it("say what is left out: of keys with concurrent values all but the winners", async () => {
    for (const value of ["a", "b"]) await at("put", "both/k", value, "--context", "");
    const { code, text, err } = await at("export", "both/");
    expect([code, text.split("\n").length]).toEqual([0, 2]);
    expect(err).toMatch(/^1 record exported\nwarning: 1 key has concurrent values, .*snapshot save/);
    const { context } = documents(await at("get", "both/k", "--json"))[0] as { context: string };
    await at("put", "both/k", "beside", "--context", "");
    await at("del", "both/k", "--context", context);
    expect(await at("export", "both/")).toMatchObject({
      code: 0,
      text: "",
      err: expect.stringMatching(/^0 records exported\nwarning: 1 key has concurrent values/),
    });
    expect((await at("del", "both/", "--prefix", "--yes")).text).toBe("1 key deleted\n");
    expect((await at("conflicts", "both/")).err).toBe("no conflicts\n");
  });

  it.runIf(existsSync("/dev/full"))(
    "say that the disk is full, and end though nobody reads what they say",
    async () => {
      const shell = async (redirected: string): Promise<string> => {
        const run = 'node "$0" export full/';
        const env = { ...process.env, HEARSAY_ENDPOINT: node.url };
        const script = `${run} ${redirected}; echo $?`;
        return (await promisify(execFile)("sh", ["-c", script, MAIN], { env })).stdout;
      };
      await at("put", "full/k", "v");
      expect(await shell("2>&1 >/dev/full")).toMatch(
        /^error: ENOSPC.*\nFree some space.*; what went to standard output is not whole\.\n1\n$/,
      );
      expect(await shell("2>/dev/full")).toMatch(/^\{"key":"full\/k".*\}\n0\n$/);
    },
  );

  it("stop at a bad line and name it", async () => {
    const bad = await withInput('{"key":"in/1","text":"v"}\n{"key":"in/2"}\n', "import", "-");
    expect(bad).toMatchObject({ code: 1, text: "" });
    expect(bad.err).toContain("line 2: it has no text or value");
    const file = join(directory.path, "missing.ndjson");
    expect(await at("import", file)).toMatchObject({ code: 1, err: expect.stringContaining(file) });
  });

  it("move many records, each exactly as it was", async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) =>
      JSON.stringify({ key: `many/${i}`, text: `value ${i}` }),
    );
    const imported = await withInput(`${lines.join("\n")}\n`, "import", "-", "--json");
    expect(documents(imported)).toMatchObject([{ records: 20_000 }]);
    const listed = documents(await at("export", "many/")) as { key: string; text: string }[];
    expect(listed).toHaveLength(20_000);
    expect(listed.every(({ key, text }) => key.slice(5) === text.slice(6))).toBe(true);
  });
});

describe("snapshots", () => {
  const file = join(directory.path, "all.snapshot");

  it("are saved whole, inspected without a node, and restored exactly into an empty one", async () => {
    await at("put", "snap/kept", "v");
    await at("put", "snap/gone", "v");
    await at("del", "snap/gone");
    const [saved] = documents(await at("snapshot", "save", file, "--json"));
    const [facts] = documents(await hearsay(["snapshot", "inspect", file, "--json"]));
    expect(facts).toEqual(saved);
    expect(facts).toMatchObject({ file, bytes: statSync(file).size, damaged: 0 });
    expect((await hearsay(["snapshot", "inspect", file])).text).toMatch(/^records +\d+$/m);
    const piped = await at("snapshot", "save", "-");
    expect(piped.out.subarray(0, 5).toString()).toBe("HSNAP");
    const other = await startNode(join(directory.path, "restored"));
    const there = (...args: readonly string[]): Promise<Finished> => hearsay([...args, "-e", other.url]);
    const dry = await there("snapshot", "restore", file, "--mode", "exact", "--dry-run", "--json");
    expect(documents(dry)).toMatchObject([{ dryRun: true }]);
    expect((await there("ls")).text).toBe("");
    expect(await there("snapshot", "restore", file, "--mode", "exact")).toMatchObject({ code: 0 });
    expect(documents(await there("history", "snap/kept", "--json"))).toEqual(
      documents(await at("history", "snap/kept", "--json")),
    );
    expect((await there("get", "snap/gone")).err).toContain("was deleted");
    expect(await there("snapshot", "restore", file, "--mode", "exact")).toMatchObject({
      code: 1,
      err: expect.stringContaining("empty"),
    });
  });

  it("saved twice at once to one name are two whole ones, of which the later stays, and nothing is left beside it; what is no file is left alone", async () => {
    const [first, second] = [join(directory.path, "first"), join(directory.path, "link")];
    writeFileSync(first, "");
    symlinkSync("first", second);
    // Of a process that is no more: there is none of this id.
    const leftover = join(directory.path, ".first.hearsay-99999999-00000000");
    writeFileSync(leftover, "");
    utimesSync(leftover, 1, 1);
    const saved = await Promise.all([at("snapshot", "save", first), at("snapshot", "save", second)]);
    expect(saved.map(({ code }) => code)).toEqual([0, 0]);
    expect(lstatSync(second).isSymbolicLink()).toBe(true);
    expect((await hearsay(["snapshot", "inspect", first])).code).toBe(0);
    expect(readdirSync(directory.path).filter((name) => name.includes("hearsay-"))).toEqual([]);
    expect(await at("snapshot", "save", "/dev/null")).toMatchObject({ code: 1, text: "" });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("that cannot be read are told from a node that cannot be reached", async () => {
    const { code, err } = await at("snapshot", "restore", directory.path, "--mode", "missing", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({
      error: { code: "eisdir", next: expect.stringContaining("file") },
    });
  });

  it("that overwrite ask first", async () => {
    await at("put", "snap/kept", "changed");
    expect((await at("snapshot", "restore", file, "--mode", "missing")).code).toBe(0);
    expect((await at("get", "snap/kept")).text).toBe("changed");
    expect(await at("snapshot", "restore", file, "--mode", "as-new")).toMatchObject({ code: 2, text: "" });
    expect((await at("snapshot", "restore", file, "--mode", "as-new", "--yes")).code).toBe(0);
    expect((await at("get", "snap/kept")).text).toBe("v");
  });

  it("never bring back what was deleted after them, unless asked", async () => {
    await at("del", "snap/kept");
    for (const mode of ["missing", "as-new"]) {
      expect((await at("snapshot", "restore", file, "--mode", mode, "--yes")).code).toBe(0);
      expect((await at("get", "snap/kept")).code).toBe(3);
    }
    expect((await at("snapshot", "restore", file, "--mode", "missing", "--revive")).code).toBe(2);
    expect((await at("snapshot", "restore", file, "--mode", "as-new", "--revive", "--yes")).code).toBe(0);
    expect((await at("get", "snap/kept")).text).toBe("v");
    expect((await at("get", "snap/gone")).code).toBe(3);
  });

  it("that are cut short or damaged are refused", async () => {
    const whole = readFileSync(file);
    const broken = join(directory.path, "broken.snapshot");
    writeFileSync(broken, whole.subarray(0, whole.length - 1));
    expect(await hearsay(["snapshot", "inspect", broken])).toMatchObject({ code: 1, text: "" });
    whole[whole.length >> 1] = (whole[whole.length >> 1] ?? 0) ^ 1;
    writeFileSync(broken, whole);
    expect(await hearsay(["snapshot", "inspect", broken])).toMatchObject({ code: 1, text: "" });
    expect(await at("snapshot", "restore", broken, "--mode", "missing")).toMatchObject({
      code: 1,
      err: expect.stringContaining("napshot"),
    });
    expect(await at("snapshot", "save", "/nowhere/at/all")).toMatchObject({
      code: 1,
      err: expect.stringContaining("ENOENT"),
    });
  });
});

describe.concurrent("a node and its directory", () => {
  it("are examined by verify and doctor, running and stopped", async () => {
    const data = join(directory.path, "examined");
    const started = await startNode(data);
    const records = Array.from({ length: 500 }, (_, i) =>
      JSON.stringify({ key: `k/${i}`, text: "v".repeat(200) }),
    );
    await hearsay(["import", "-", "-e", started.url], { input: records.join("\n") });
    const running = await hearsay(["verify", "--deep", "--json", "-e", started.url]);
    expect(documents(running)).toMatchObject([{ ready: true, deep: true, checks: expect.any(Array) }]);
    const seen = await hearsay(["doctor", "--data", data, "--json", "-e", started.url]);
    expect(documents(seen)[0]).toContainEqual(expect.objectContaining({ check: "endpoint", status: "ok" }));
    expect(documents(seen)[0]).toContainEqual(expect.objectContaining({ check: "lock", status: "warn" }));
    const locked = await hearsay(["verify", "--data", data]);
    expect(locked).toMatchObject({ code: 1, text: "", err: expect.stringContaining("stop it") });
    const second = await hearsay(["serve", "--data", data, "--listen", "127.0.0.1:0", "--json"]);
    expect(second.code).toBe(2);
    const twice = await hearsay(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    expect(twice).toMatchObject({
      code: 1,
      err: expect.stringContaining("Another node runs on this directory"),
    });
    expect(await started.end("SIGTERM")).toBe(0);
    expect(started.log()).toContain('"event":"stopped"');
    const foreign = await hearsay(["verify", "--data", data, "--cluster", "other"]);
    expect(foreign).toMatchObject({ code: 1, text: "", err: expect.stringContaining("Set cluster to") });
    const stopped = await hearsay(["verify", "--data", data, "--deep", "--json"]);
    const sound = { records: 500, damaged: 0, consistent: true, deep: true, events: [] };
    expect(documents(stopped)).toMatchObject([sound]);
    const unreachable = await hearsay(["doctor", "--data", data, "--json", "-e", started.url]);
    expect(unreachable.code).toBe(1);
    expect(documents(unreachable)[0]).toContainEqual(
      expect.objectContaining({ check: "endpoint", status: "bad" }),
    );
    expect(documents(unreachable)[0]).toContainEqual(
      expect.objectContaining({ check: "lock", status: "ok" }),
    );
  });

  it("say of what they give away that it is not all, while they have not caught up with their cluster", async () => {
    const alone = await startNode(join(directory.path, "alone"), "--name", "alone", "--join", "127.0.0.1:1");
    const file = join(directory.path, "alone.snapshot");
    for (const args of [["export"], ["snapshot", "save", file]]) {
      const { code, err } = await hearsay([...args, "-e", alone.url]);
      expect([code, err]).toEqual([0, expect.stringContaining("warning: the node has not caught up")]);
    }
    await alone.end("SIGKILL");
  });

  it("stop gracefully when their terminal is closed", async () => {
    const started = await startNode(join(directory.path, "hung-up"));
    expect(await started.end("SIGHUP")).toBe(0);
    expect(started.log()).toContain('"event":"stopped"');
  });

  it("do not start with another name, on a port in use, or in a directory that is none", async () => {
    const data = join(directory.path, "named");
    await (await startNode(data)).end("SIGTERM");
    const fresh = ["--listen", "127.0.0.1:0"];
    expect(await hearsay(["serve", "--name", "other", "--data", data, ...fresh])).toMatchObject({
      code: 1,
      err: expect.stringContaining("belongs to node n1"),
    });
    const listen = new URL(node.url).host;
    expect(await hearsay(["serve", "--data", data, "--listen", listen])).toMatchObject({
      code: 1,
      err: expect.stringContaining("is in use"),
    });
    const file = join(directory.path, "a-file");
    writeFileSync(file, "");
    expect(await hearsay(["serve", "--data", file, ...fresh])).toMatchObject({
      code: 1,
      err: expect.stringContaining(file),
    });
  });
});
