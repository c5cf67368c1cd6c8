/** The agent, exec, apply and rollback as processes, against nodes as processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  documents,
  endAllNodes,
  type Finished,
  hearsay,
  type RunningNode,
  startNode,
  temporaryDirectory,
} from "./cli-process.ts";
import { isRunning } from "./dev-process.ts";

const MAIN = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));
const directory = temporaryDirectory();
const at = (name: string): string => join(directory.path, name);
const textOf = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : "");
const nodes: RunningNode[] = [];
const started = new Set<ChildProcess>();

beforeAll(async () => {
  nodes.push(await startNode(at("n1"), "--cluster", "agents"));
  const first = nodes[0]?.url ?? "";
  nodes.push(await startNode(at("n2"), "--cluster", "agents", "--name", "n2", "--join", new URL(first).host));
  const members = async (): Promise<unknown> => documents(await on(0, "status", "--json"))[0];
  await vi.waitFor(async () => expect(JSON.stringify(await members()).match(/"alive"/g)).toHaveLength(2), {
    timeout: 60_000,
    interval: 200,
  });
});

afterEach(async () => {
  for (const child of started) {
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await closed;
  }
});

afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

function on(node: number, ...args: readonly string[]): Promise<Finished> {
  return hearsay(args, { env: { HEARSAY_ENDPOINT: nodes[node]?.url ?? "" } });
}

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

/** A command that runs until it is told to end. */
function start(args: readonly string[], endpoints: string): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, HEARSAY_ENDPOINT: endpoints },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      output += part;
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      started.delete(child);
      resolve(code);
    });
  });
  return { child, output: () => output, ended };
}

const until = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 30_000, interval: 20 });

describe("the agent", () => {
  it("follows keys over the loss of its node, reads its settings again, and ends with 0", async () => {
    writeFileSync(at("t.eta"), `colour <%= it.get("site/colour") %>\n`);
    const settings = `state: state\nstatus: 127.0.0.1:0\nfiles:\n  - { path: site.conf, template: t.eta, prefixes: [site/], reload: "echo x >> ${at("reloads")}" }\n`;
    writeFileSync(at("agent.yaml"), settings);
    await on(0, "put", "site/colour", "red", "--ack", "2");
    const third = await startNode(
      at("n3"),
      "--cluster",
      "agents",
      "--name",
      "n3",
      "--join",
      new URL(nodes[0]?.url ?? "").host,
    );
    const agent = start(["agent", "-c", at("agent.yaml")], `${third.url},${nodes[1]?.url}`);
    await until(() => expect(textOf("site.conf")).toBe("colour red\n"));
    await on(0, "put", "site/colour", "green");
    await until(() => expect(textOf("site.conf")).toBe("colour green\n"));
    await until(() => expect(textOf("reloads")).toBe("x\nx\n"));
    await third.end("SIGKILL");
    await on(0, "put", "site/colour", "blue");
    await until(() => expect(textOf("site.conf")).toBe("colour blue\n"));
    const url = /"status":"([^"]+)"/.exec(agent.output())?.[1] ?? "";
    // The file is there before its reload has ended.
    await until(async () =>
      expect(await (await fetch(`${url}/status`)).json()).toMatchObject({
        ready: true,
        stale: false,
        prefixes: [{ prefix: "site/", state: "synced", keys: 1 }],
        files: [{ state: "idle", failures: 0 }],
      }),
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^hearsay_agent_ready 1$/m);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    writeFileSync(at("agent.yaml"), "files: nonsense\n");
    agent.child.kill("SIGHUP");
    await until(() => expect(agent.output()).toContain("settings_invalid"));
    expect(await (await fetch(`${url}/status`)).json()).toMatchObject({
      settings: { error: { code: "settings_invalid" } },
      files: [{ state: "idle" }],
    });
    writeFileSync(at("t.eta"), `shade <%= it.get("site/colour") %>\n`);
    writeFileSync(at("agent.yaml"), settings);
    agent.child.kill("SIGHUP");
    await until(() => expect(textOf("site.conf")).toBe("shade blue\n"));
    agent.child.kill("SIGTERM");
    expect(await agent.ended).toBe(0);
  });

  it("ends as it was asked to though SIGHUP comes while it waits for a reload", async () => {
    const reload = `until [ -e ${at("go")} ]; do sleep 0.02; done; for _ in $(seq 20); do kill -HUP $PPID; sleep 0.02; done; echo x > ${at("hup.done")}`;
    writeFileSync(
      at("hup.yaml"),
      `state: hup-state\nfiles:\n  - { path: hup.txt, key: hup/a, reload: "${reload}" }\n`,
    );
    await on(0, "put", "hup/a", "1");
    const agent = start(["agent", "-c", at("hup.yaml")], nodes[0]?.url ?? "");
    await until(() => expect(textOf("hup.txt")).toBe("1"));
    agent.child.kill("SIGTERM");
    writeFileSync(at("go"), "");
    expect(await agent.ended).toBe(0);
    expect(textOf("hup.done")).toBe("x\n");
  });

  it("once makes every file and ends, names missing keys, and without a node changes nothing", async () => {
    writeFileSync(at("once.eta"), `<%= it.get("once/a") %> <%= it.get("once/b") %>`);
    writeFileSync(
      at("once.yaml"),
      "state: once-state\nfiles:\n  - { path: once.txt, template: once.eta, prefixes: [once/] }\n",
    );
    await on(0, "put", "once/a", "1");
    const dry = await on(0, "agent", "-c", at("once.yaml"), "--dry-run");
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.text).toContain(`+ ${at("once.txt")}`);
    expect(existsSync(at("once.txt"))).toBe(false);
    const strict = await on(0, "agent", "-c", at("once.yaml"), "--once", "--fail-on-missing");
    expect(strict).toMatchObject({ code: 3, err: expect.stringContaining(`no value for "once/b"`) });
    expect(existsSync(at("once.txt"))).toBe(false);
    expect(await on(0, "agent", "-c", at("once.yaml"), "--once")).toMatchObject({ code: 0 });
    expect(textOf("once.txt")).toBe("1 ");
    rmSync(at("once-state"), { recursive: true });
    const away = ["agent", "-c", at("once.yaml"), "--once", "--timeout", "500ms", "-e", "http://127.0.0.1:9"];
    expect(await hearsay(away)).toMatchObject({ code: 6 });
    expect(textOf("once.txt")).toBe("1 ");
    expect(await hearsay(["agent", "-c", at("no.yaml"), "--once"])).toMatchObject({ code: 2 });
  });
});

describe("exec", () => {
  it("gives values as environment, restarts on a change, and ends as the command ends", async () => {
    await on(0, "put", "env/app/colour", "red", "--ack", "2");
    const script =
      'echo "got $COLOUR"; if [ "$COLOUR" = blue ]; then exit 5; fi; while :; do sleep 0.05; done';
    const running = start(["exec", "--prefix", "env/app/", "--", "sh", "-c", script], nodes[1]?.url ?? "");
    await until(() => expect(running.output()).toContain("got red"));
    await on(0, "put", "env/app/colour", "blue");
    expect(await running.ended).toBe(5);
    expect(running.output()).toContain("got blue");
  });

  it("hands on what ends it, and ends as the command does then", async () => {
    await on(0, "put", "env/stop/a", "1", "--ack", "2");
    const script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done";
    const running = start(["exec", "--prefix", "env/stop/", "--", "sh", "-c", script], nodes[0]?.url ?? "");
    await until(() => expect(running.output()).toContain("up"));
    running.child.kill("SIGTERM");
    expect(await running.ended).toBe(9);
  });

  it("kills a command that ignores what ends it when it is asked again, and leaves nothing behind", async () => {
    await on(0, "put", "env/deaf/a", "1", "--ack", "2");
    const script = "trap '' TERM INT; echo up $$; while :; do sleep 0.05; done";
    const flags = ["--prefix", "env/deaf/", "--kill-after", "1h"];
    const running = start(["exec", ...flags, "--", "sh", "-c", script], nodes[0]?.url ?? "");
    await until(() => expect(running.output()).toMatch(/up \d+/));
    running.child.kill("SIGTERM");
    running.child.kill("SIGINT");
    expect(await running.ended).toBe(137);
    expect(isRunning(Number(/up (\d+)/.exec(running.output())?.[1]))).toBe(false);
  });
});

describe("apply and rollback", () => {
  it("make keys as files are, on every member when asked to wait, and take a mistake back", async () => {
    // The test before has killed it.
    await vi.waitFor(async () => expect((await on(0, "status", "--json")).text).toMatch(/"dead"/), {
      timeout: 30_000,
      interval: 200,
    });
    mkdirSync(at("config/deep"), { recursive: true });
    writeFileSync(at("config/a.json"), "{}");
    writeFileSync(at("config/deep/b"), "one\n");
    const apply = (...flags: readonly string[]): Promise<Finished> =>
      on(0, "apply", at("config"), "--prefix", "conf/", ...flags);
    const dry = await apply("--dry-run");
    expect(dry).toMatchObject({ code: 0, text: "nothing was written: dry run\n" });
    expect(dry.err).toContain("+ conf/deep/b (4 bytes)");
    expect((await on(0, "ls", "conf/")).text).toBe("");
    // It is still counted.
    const late = await apply("--wait", "--timeout", "1s");
    expect(late).toMatchObject({ code: 6, err: expect.stringContaining("missing from: n3") });
    expect(await on(0, "forget", "n3", "--yes")).toMatchObject({ code: 0 });
    const again = await apply("--wait", "--timeout", "20s", "--json");
    expect(again).toMatchObject({ code: 0 });
    expect(documents(again)).toMatchObject([{ created: 0, unchanged: 2 }]);
    writeFileSync(at("config/deep/b"), "two\n");
    const changed = await apply("--wait", "--timeout", "20s");
    expect(changed, changed.err).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^1 key held by every member in [\d.]+ s\n$/),
    });
    expect(changed.err).toContain("    -one\n    +two\n");
    expect((await on(1, "get", "conf/deep/b")).text).toBe("two\n");
    rmSync(at("config/deep"), { recursive: true });
    expect(await apply("--prune", "--yes")).toMatchObject({
      code: 1,
      err: expect.stringContaining("1 of 2 keys"),
    });
    expect(await apply("--prune", "--allow-mass-delete")).toMatchObject({ code: 2 });
    expect((await on(0, "get", "conf/deep/b")).code).toBe(0);
    expect(await apply("--prune", "--allow-mass-delete", "--yes")).toMatchObject({ code: 0 });
    expect((await on(0, "get", "conf/deep/b")).code).toBe(3);
    const [history] = documents(await on(0, "history", "conf/deep/b", "--json")) as {
      versions: { version: string }[];
    }[];
    const two = `conf/deep/b@${history?.versions[1]?.version}`;
    expect((await on(0, "rollback", two, "--dry-run")).text).toContain("would write 4 bytes");
    expect(await on(0, "rollback", two)).toMatchObject({ code: 0 });
    expect((await on(0, "get", "conf/deep/b")).text).toBe("two\n");
    expect(documents(await on(0, "get", "conf/deep/b", "--json"))).toMatchObject([{ conflicts: 0 }]);
    expect((await on(0, "rollback", "conf/deep/b@107k2-n9~0000000000")).code).toBe(3);
    expect((await on(0, "rollback", "conf/deep/b")).code).toBe(2);
  });
});
