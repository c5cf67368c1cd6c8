import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Io, Stopped } from "./io.ts";
import { run } from "./run.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-run-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface World {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly isTerminal?: boolean;
  readonly stopped?: AbortSignal;
}

/** Runs a command line in this process, with a terminal where the test says so. */
async function hearsay(args: readonly string[], world: World = {}): Promise<Finished> {
  let out = "";
  let err = "";
  const isTerminal = world.isTerminal === true;
  const io: Io = {
    out: {
      isTerminal,
      write: async (chunk) => {
        out += Buffer.from(chunk).toString();
      },
    },
    err: {
      isTerminal,
      write: async (chunk) => {
        err += Buffer.from(chunk).toString();
      },
    },
    input: {
      isTerminal,
      async *[Symbol.asyncIterator]() {
        yield Buffer.from(world.input ?? "");
      },
    },
    env: world.env ?? {},
    stopped: world.stopped ?? new AbortController().signal,
  };
  return { code: await run(args, io), out, err };
}

const COMMANDS = [
  "serve",
  "dev",
  "members",
  "status",
  "wait",
  "tombstones",
  "ghosts",
  "diff",
  "repair",
  "join",
  "leave",
  "forget",
  "reset",
  "top",
  "get",
  "put",
  "del",
  "ls",
  "history",
  "conflicts",
  "resolve",
  "watch",
  "export",
  "import",
  "snapshot",
  "snapshot save",
  "snapshot restore",
  "snapshot inspect",
  "verify",
  "config",
  "config show",
  "sim",
  "doctor",
  "completion",
  "version",
];

describe("help", () => {
  it.each(COMMANDS)("of %s starts with examples", async (command) => {
    const { code, out, err } = await hearsay([...command.split(" "), "--help"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(new RegExp(`^Examples:\n(?: {2}.*\n)*? {2}.*hearsay ${command}`));
  });

  it("lists every command, and is what a bare call gets", async () => {
    const { code, out } = await hearsay(["--help"]);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${command.split(" ")[0]}\\b`, "m"));
    expect(await hearsay([])).toMatchObject({ code: 2, out: "", err: out });
  });
});

describe("usage", () => {
  it.each([
    [["gett", "k"], "Did you mean get?"],
    [["get", "k", "--jsno"], "Did you mean --json?"],
    [["snapshot", "sav", "f"], "Did you mean save?"],
    [["get"], "missing required argument 'key'"],
    [["get", "a", "b"], "too many arguments"],
    [["put", "k", "v", "--ttl", "soon"], "30s"],
    [["put", "k", "v", "--ack", "none"], "quorum"],
    [["ls", "--limit", "0"], "above zero"],
    [["put", "k", "v", "--file", "f"], "exclude each other"],
    [["put", "k", "v", "--if-absent", "--if-match", "v"], "exclude each other"],
    [["del", "p", "--prefix", "--context", "c"], "--prefix takes neither"],
    [["completion", "tcsh"], "bash, zsh"],
    [["snapshot", "restore", "f"], "--mode"],
    [["snapshot", "restore", "f", "--mode", "some"], "missing, as-new, exact"],
    [["get", "k", "--endpoint", "ftp://n"], "http or https"],
    [["get", ""], "not well-formed"],
    [["serve", "--set", "limits.maxValueByte=1"], "limits.maxValueByte"],
    [["serve", "--set", "durability"], "--set durability=VALUE"],
    [["serve", "--log-level", "loud"], "log.level"],
    [["serve", "--name", "a", "--set", "name=b"], "given twice, by --name and by --set"],
    [["serve", "--set", "durability=x", "--log-level", "x"], "\n  --set durability: durability is"],
    [["serve", "--set", "durability=x", "--log-level", "x"], "\n  --log-level: log.level is"],
    [["serve", "--listen", "0.0.0.0:0"], "loopback"],
    [["verify", "--data", "/nowhere/at/all"], "no data directory"],
    [["reset", "--data", "/nowhere/at/all"], "no data directory"],
    [["dev", "--nodes", "0"], "1 to 32"],
    [["dev", "--port", "65535"], "Give a port"],
    [["dev", "--nodes", "1", "--smoke"], "--nodes 2"],
    [["wait", "nothing"], "KEY@VERSION"],
    [["wait", "k@v", "--converged"], "give one of"],
    [["wait", "--complete", "--converged"], "give one of"],
    [["wait", "--complete", "-e", "http://n1:1", "-e", "http://n2:1"], "one node"],
    [["leave", "--yes", "-e", "a:1", "-e", "b:1"], "one node"],
    [["forget", "n3", "--yes", "-e", "a:1", "-e", "b:1"], "one node"],
    [["join", "c:1", "-e", "a:1", "-e", "b:1"], "one node"],
    [["serve", "--join", "no address"], "join"],
    [["put", "k", "caf\uFFFD"], "not UTF-8"],
  ])("%j exits with 2 and says why", async (args, reason) => {
    const { code, out, err } = await hearsay(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(reason);
  });

  it("of a failure comes as JSON where asked", async () => {
    const { code, err } = await hearsay(["get", "", "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "bad_key", exit: 2, next: expect.any(String) } });
    const mistyped = await hearsay(["get", "k", "--jsno", "--json"]);
    expect([mistyped.code, JSON.parse(mistyped.err)]).toEqual([
      2,
      {
        error: {
          code: "unknown_option",
          message: "unknown option '--jsno'\n(Did you mean --json?)",
          next: expect.stringContaining("--help"),
          exit: 2,
        },
      },
    ]);
  });
});

describe("a terminal", () => {
  const colour = "\u001b[";

  it("gets colours, unless NO_COLOR says otherwise; a pipe never does", async () => {
    expect((await hearsay(["get", ""], { isTerminal: true })).err).toContain(colour);
    expect((await hearsay(["get", ""], { isTerminal: true, env: { NO_COLOR: "1" } })).err).not.toContain(
      colour,
    );
    expect((await hearsay(["get", ""])).err).not.toContain(colour);
  });

  it("is asked before much is deleted, and taken at its word", async () => {
    const asked = await hearsay(["del", "p", "--prefix"], { isTerminal: true, input: "no\n" });
    expect(asked).toMatchObject({ code: 1, out: "" });
    expect(asked.err).toContain('Delete every key that starts with "p"? [y/N]');
    const elsewhere = await hearsay(["del", "p", "--prefix"], { input: "yes\n" });
    expect(elsewhere.code).toBe(2);
    expect(elsewhere.err).toContain("--yes");
  });
});

describe("settings", () => {
  it("are shown with where they come from", async () => {
    const file = join(directory, "node.yaml");
    writeFileSync(file, "limits:\n  maxScans: 3\n");
    const env = { HEARSAY_CLUSTER: "blue", HEARSAY_CONFIG: file };
    const shown = await hearsay(["config", "show", "--set", "durability=os", "--json"], { env });
    const rows: unknown = JSON.parse(shown.out);
    expect(rows).toContainEqual({ name: "limits.maxScans", value: "3", raw: 3, origin: `${file}:2` });
    expect(rows).toContainEqual({
      name: "durability",
      value: "os",
      raw: "os",
      origin: "--set durability",
    });
    expect(rows).toContainEqual({
      name: "cluster",
      value: "blue",
      raw: "blue",
      origin: "HEARSAY_CLUSTER",
    });
    expect(rows).toContainEqual({
      name: "listen",
      value: "127.0.0.1:7171",
      raw: "127.0.0.1:7171",
      origin: "default",
    });
    expect((await hearsay(["config", "show", "--origin"])).out).toMatch(
      /^listen +127\.0\.0\.1:7171 +default$/m,
    );
    expect((await hearsay(["config", "show"])).out).not.toContain("default");
  });

  it("that are wrong are named with their line", async () => {
    const file = join(directory, "wrong.yaml");
    writeFileSync(file, "limits:\n  maxScan: 3\n");
    const wrong = await hearsay(["config", "show", "--config", file]);
    expect(wrong).toMatchObject({ code: 2, out: "" });
    expect(wrong.err).toContain(`${file}:2`);
  });
});

it("help says defaults once, as they are typed", async () => {
  const said = (text: string): string[] => text.match(/\(default:[^)]*\)/g) ?? [];
  expect(said((await hearsay(["top", "--help"])).out)).toEqual(["(default: 1s)"]);
  expect(said((await hearsay(["ghosts", "--help"])).out)).toEqual(["(default: 100)"]);
});

describe("the version", () => {
  it("is that of the package", async () => {
    expect(JSON.parse((await hearsay(["version", "--json"])).out)).toEqual({
      version: "0.1.0",
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    });
    expect((await hearsay(["--version"])).out).toBe("0.1.0\n");
  });
});

async function doctorOf(
  answer: RequestListener,
  timeout: string,
): Promise<Awaited<ReturnType<typeof hearsay>>> {
  const node = createServer(answer);
  node.listen(0, "127.0.0.1");
  await once(node, "listening");
  const address = node.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const flags = ["--data", join(directory, "none"), "--listen", "127.0.0.1:0", "--timeout", timeout];
  const said = await hearsay(["doctor", ...flags, "-e", `http://127.0.0.1:${port}`]);
  node.close();
  return said;
}

it("doctor warns of what a node that is ready is not content with", async () => {
  const check = { name: "other cluster", ok: false, needed: false, detail: "one is at b:1" };
  const { code, out } = await doctorOf((_, answer) => {
    answer
      .setHeader("Content-Type", "application/json")
      .end(JSON.stringify({ ready: true, checks: [check] }));
  }, "30s");
  expect(code).toBe(0);
  expect(out).toMatch(/^warn {2}endpoint: .* is ready, but other cluster: one is at b:1\n.*readyz\?verbose/m);
});

it("doctor asks a node that does not answer once, and says that it does not", async () => {
  let asked = 0;
  const { code, out } = await doctorOf(() => {
    asked += 1;
  }, "100ms");
  expect([code, asked]).toEqual([1, 1]);
  expect(out).toMatch(/^bad {3}endpoint: .* did not answer within 100 ms\n.*restart it/m);
});

it.runIf(existsSync("/proc/self"))(
  "directories that cannot be made are refused, also below /proc",
  async () => {
    writeFileSync(
      join(directory, "agent.yaml"),
      "state: /proc/hearsay/state\nfiles: [{ path: f, key: k }]\n",
    );
    for (const [message, args] of [
      [/cannot be created: E.*--data/s, ["dev", "--port", "0", "--data", "/proc/hearsay/dev"]],
      [/cannot be created: E.*--data/s, ["dev", "--smoke", "--data", "/proc/hearsay/smoke"]],
      [/cannot be created: ENOTDIR/, ["dev", "--port", "0", "--data", join(directory, "agent.yaml/dev")]],
      [/cannot be created: E.*--report/s, ["chaos", "--report", "/proc/hearsay/report"]],
      [/ENOENT.*Set state/s, ["agent", "-c", join(directory, "agent.yaml"), "--once"]],
      [/ENOENT.*Set state/s, ["exec", "--prefix", "p/", "--state", "/proc/hearsay/state", "--", "true"]],
    ] as const) {
      const { code: exit, err } = await hearsay(args);
      expect([exit, err]).toEqual([1, expect.stringMatching(message)]);
    }
  },
);

it("durations that no timer takes are refused", async () => {
  const { code, err } = await hearsay(["exec", "--prefix", "p/", "--kill-after", "25d", "--", "true"]);
  expect([code, err]).toEqual([2, expect.stringContaining("at most 24d")]);
  // A wait gives the last answer a while beyond its own time.
  const longest = await hearsay(["wait", "--timeout", "2147483647ms", "-e", "http://127.0.0.1:1"]);
  expect([longest.code, longest.err]).toEqual([2, expect.stringContaining("at most 24d")]);
});

it("a smoke test that finds no ports leaves no directory", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const made = (): readonly string[] =>
    readdirSync(tmpdir()).filter((name) => name.includes("hearsay-smoke-"));
  const before = made();
  expect((await hearsay(["dev", "--smoke", "--port", String(port)])).code).toBe(1);
  expect(made()).toEqual(before);
  taken.close();
});

it("exec that is asked to end before it has begun starts nothing, and ends", async () => {
  const stopped = AbortSignal.abort(new Stopped("SIGTERM"));
  const { code } = await hearsay(["exec", "--prefix", "p/", "--", "false"], { stopped });
  expect(code).toBe(143);
});
