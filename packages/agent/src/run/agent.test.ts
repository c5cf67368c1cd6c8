import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { StateDirectory } from "../files/state-directory.ts";
import { agentDirectory, type Started } from "./agent.contract.ts";

const { at, textOf, startAgent } = agentDirectory();

/** Lets the debounce pass and waits for the file to be written. */
async function written({ ports }: Started): Promise<void> {
  const next = ports.next("file");
  ports.pass(60);
  await next;
}

async function failed({ ports }: Started, code: string): Promise<void> {
  const next = ports.next(code);
  ports.pass(60);
  await next;
}

/** A process that ended and that nobody has waited for yet is not running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || readFileSync(stat, "utf8").split(") ")[1]?.[0] !== "Z";
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const RAW = `  - { path: raw, key: p/raw, prefixes: [p/] }\n`;

describe("an agent", () => {
  it("says that its node is cut off, goes on, and is not ready only where that was asked for", async () => {
    for (const failWhenCutOff of [false, true]) {
      const { agent, source, ports } = await startAgent(`${RAW}failWhenCutOff: ${failWhenCutOff}\n`);
      source.reaches = { reachable: 1, members: 3 };
      const told = ports.next("node_cut_off");
      await settled();
      ports.pass(10_000);
      await told;
      source.backlog("p/", { raw: "one" });
      await agent.firstRound();
      expect(textOf("raw")).toBe("one");
      expect(agent.status()).toMatchObject({ ready: !failWhenCutOff, cutOff: { reachable: 1, members: 3 } });
      await agent.stop();
    }
  });

  it("writes nothing while the values are not whole, then each change once", async () => {
    const started = await startAgent(RAW);
    const { source, agent, ports } = started;
    source.put("p/", { raw: "one" });
    ports.pass(1_000);
    expect(existsSync(at("raw"))).toBe(false);
    source.tell("p/", { kind: "synced" });
    await agent.firstRound();
    expect(textOf("raw")).toBe("one");
    source.put("p/", { raw: "two" });
    source.put("p/", { raw: "three" });
    await written(started);
    expect(textOf("raw")).toBe("three");
    expect(textOf("raw.bak")).toBe("one");
    expect(readdirSync(at(".")).filter((name) => name.includes(".hearsay-"))).toEqual([]);
    expect(agent.status()).toMatchObject({
      ready: true,
      stale: false,
      files: [{ state: "idle", failures: 0 }],
    });
  });

  it("keeps the file when a node comes back empty and has not synced, and when it has and the guard holds", async () => {
    const started = await startAgent(RAW);
    const { source, agent, ports } = started;
    source.backlog("p/", { raw: "value", other: "x" });
    await agent.firstRound();
    source.tell("p/", { kind: "reset" });
    ports.pass(10_000);
    expect(textOf("raw")).toBe("value");
    source.put("p/", { raw: "" });
    source.tell("p/", { kind: "synced" });
    await failed(started, "would_empty");
    expect(textOf("raw")).toBe("value");
    expect(agent.status().files[0]).toMatchObject({ state: "failed", error: { code: "would_empty" } });
    source.backlog("p/", {});
    await failed(started, "missing_keys");
    expect(textOf("raw")).toBe("value");
  });

  it("refuses a prefix that lost most of its keys, also while it was away, unless asked for", async () => {
    writeFileSync(at("list.eta"), `all: <% for (const {name} of it.list("p/")) { %><%= name %> <% } %>`);
    const LIST = `  - { path: list, template: list.eta, prefixes: [p/], guard: { maxShrinkPercent: 60 } }\n`;
    const first = await startAgent(LIST);
    first.source.backlog("p/", { a: "1", b: "2", c: "3", d: "4" });
    await first.agent.firstRound();
    await first.agent.stop();
    const second = await startAgent(LIST);
    second.source.backlog("p/", { a: "1" });
    await second.agent.firstRound();
    expect(second.agent.status().files[0]?.error).toMatchObject({ code: "prefix_shrank" });
    expect(textOf("list")).toBe("all: a b c d ");
    await second.agent.stop();
    const third = await startAgent(LIST, { allowEmpty: true });
    third.source.backlog("p/", { a: "1" });
    await third.agent.firstRound();
    expect(textOf("list")).toBe("all: a ");
  });

  it("keeps the old file when the check of the new one fails, says why, and takes the next good one", async () => {
    const started = await startAgent(
      `  - { path: raw, key: p/raw, check: 'grep -q good "$HEARSAY_STAGED" || { echo not so; exit 3; }', reload: "cp raw reloaded", retry: {base: 10s} }\n`.replaceAll(
        "cp raw reloaded",
        `cp ${at("raw")} ${at("reloaded")}`,
      ),
    );
    const { source, agent } = started;
    source.backlog("p/raw", { "": "good 1" });
    await agent.firstRound();
    source.put("p/raw", { "": "bad stuff" });
    await failed(started, "command_failed");
    expect(textOf("raw")).toBe("good 1");
    expect(textOf("reloaded")).toBe("good 1");
    expect(agent.status()).toMatchObject({
      ready: false,
      files: [{ error: { code: "command_failed", message: expect.stringContaining("not so") }, failures: 1 }],
    });
    source.put("p/raw", { "": "good 2" });
    await written(started);
    expect(textOf("reloaded")).toBe("good 2");
    expect(agent.status().files[0]?.error).toBeUndefined();
    expect(readdirSync(at(".")).filter((name) => name.includes(".hearsay-"))).toEqual([]);
  });

  it("kills a reload that hangs with all it started, keeps the new file, and repeats the reload alone", async () => {
    writeFileSync(
      at("reload"),
      `#!/bin/sh\nif [ -e ${at("fixed")} ]; then echo done >> ${at("reloads")}; exit 0; fi\nsleep 600 & echo $! > ${at("pid")}; wait\n`,
    );
    chmodSync(at("reload"), 0o755);
    const started = await startAgent(
      `  - { path: raw, key: p/raw, reload: ["${at("reload")}"], reloadTimeout: 200ms }\n`,
    );
    const { source, agent, ports } = started;
    source.backlog("p/raw", { "": "new" });
    await agent.firstRound();
    expect(textOf("raw")).toBe("new");
    expect(agent.status().files[0]?.error).toMatchObject({ code: "command_timed_out" });
    const pid = Number(textOf("pid"));
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false));
    writeFileSync(at("fixed"), "");
    const next = ports.next("file");
    ports.pass(1_000);
    expect((await next).facts).toMatchObject({ installed: false, reloaded: true });
    expect(textOf("reloads")).toBe("done\n");
  });

  it("makes a reload that an earlier agent still owed", async () => {
    writeFileSync(at("raw"), "same");
    const state = await StateDirectory.open(at("state"));
    await state.owe(at("raw"));
    const started = await startAgent(`  - { path: raw, key: p/raw, reload: "touch ${at("reloaded")}" }\n`);
    started.source.backlog("p/raw", { "": "same" });
    await started.agent.firstRound();
    expect(existsSync(at("reloaded"))).toBe(true);
    expect(await state.owes(at("raw"))).toBe(false);
  });

  it("starts from the last good copy while no node answers, marked stale, and recovers", async () => {
    const first = await startAgent(RAW);
    first.source.backlog("p/", { raw: "kept" });
    await first.agent.firstRound();
    await first.agent.stop();
    rmSync(at("raw"));
    const second = await startAgent(RAW);
    second.source.tell("p/", { kind: "down", reason: "ECONNREFUSED" });
    second.ports.pass(4_999);
    expect(existsSync(at("raw"))).toBe(false);
    second.ports.pass(1);
    await second.agent.firstRound();
    expect(textOf("raw")).toBe("kept");
    expect(second.agent.status()).toMatchObject({ ready: true, stale: true, files: [{ stale: true }] });
    second.source.backlog("p/", { raw: "present" });
    await written(second);
    expect(textOf("raw")).toBe("present");
    expect(second.agent.status()).toMatchObject({ ready: true, stale: false });
  });

  it("never starts from a copy that was altered, nor keeps values that no file could be made of", async () => {
    const CHECKED = `  - { path: raw, key: p/raw, check: 'grep -q good "$HEARSAY_STAGED"' }\n`;
    const first = await startAgent(CHECKED);
    first.source.backlog("p/raw", { "": "good" });
    await first.agent.firstRound();
    first.source.put("p/raw", { "": "worse" });
    await failed(first, "command_failed");
    await first.agent.stop();
    const [copy = ""] = readdirSync(at("state")).filter((name) => name.startsWith("copy-"));
    const path = join(at("state"), copy);
    expect(readFileSync(path, "utf8")).toContain(Buffer.from("good").toString("base64"));
    const bytes = readFileSync(path);
    bytes[60] = (bytes[60] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    rmSync(at("raw"));
    const second = await startAgent(CHECKED);
    const damaged = second.ports.next("copy_damaged");
    second.ports.pass(5_000);
    await damaged;
    expect(second.agent.status().files[0]).toMatchObject({ state: "waiting" });
    expect(existsSync(at("raw"))).toBe(false);
  });

  it("keeps the values of a prefix though a file of another one cannot be made", async () => {
    const FILES = `  - { path: raw, key: p/raw, prefixes: [p/] }\n  - { path: bad, key: q/none, prefixes: [q/] }\n`;
    const first = await startAgent(FILES);
    first.source.backlog("q/", { other: "x" });
    first.source.backlog("p/", { raw: "kept" });
    await first.agent.firstRound();
    await first.agent.stop();
    expect(first.agent.status().files.map(({ state }) => state)).toEqual(["idle", "failed"]);
    const state = await StateDirectory.open(at("state"));
    expect([...((await state.loadCopy("p/")) ?? [])]).toEqual([["p/raw", Buffer.from("kept")]]);
    expect(await state.loadCopy("q/")).toBeUndefined();
  });

  it("keeps mode and owner of the file there is, sets those asked for, and follows a link to the file", async () => {
    writeFileSync(at("real"), "old", { mode: 0o600 });
    chmodSync(at("real"), 0o640);
    symlinkSync(at("real"), at("link"));
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    const started = await startAgent(
      `  - { path: link, key: p/a }\n  - { path: own, key: p/a, mode: "0604", owner: "${uid}:${gid}" }\n  - { path: plain, key: p/a }\n`,
    );
    started.source.backlog("p/a", { "": "new" });
    await started.agent.firstRound();
    expect(textOf("real")).toBe("new");
    const modeOf = (name: string): number => statSync(at(name)).mode & 0o777;
    expect([modeOf("link"), modeOf("own"), modeOf("plain")]).toEqual([0o640, 0o604, 0o644]);
    expect(readFileSync(at("real.bak"), "utf8")).toBe("old");
  });

  it("puts a file where a link leads to that has nothing behind it yet, and keeps the link", async () => {
    symlinkSync("end", at("middle"));
    symlinkSync(at("middle"), at("link"));
    const started = await startAgent(`  - { path: link, key: p/a }\n`);
    started.source.backlog("p/a", { "": "new" });
    await started.agent.firstRound();
    expect(textOf("end")).toBe("new");
    expect(["link", "middle"].map((name) => lstatSync(at(name)).isSymbolicLink())).toEqual([true, true]);
  });

  it("never mixes what two entries put into one file that both lead to", async () => {
    writeFileSync(at("real"), "old text");
    symlinkSync(at("real"), at("other"));
    const check = `'sleep 0.1; for _ in 1 2; do head -c 1 "$HEARSAY_STAGED"; done >> ${at("seen")}'`;
    const started = await startAgent(
      `  - { path: real, key: p/a, prefixes: [p/], check: ${check} }\n  - { path: other, key: p/b, prefixes: [p/], check: ${check} }\n`,
    );
    started.source.backlog("p/", { a: "a".repeat(9), b: "b".repeat(7) });
    await started.agent.firstRound();
    expect(started.agent.status().files.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(["a".repeat(9), "b".repeat(7)]).toContain(textOf("real"));
    expect([...textOf("seen")].sort().join("")).toBe("aabb");
  });

  it("does not take a reload for made when it cannot tell whether it is owed", async () => {
    const started = await startAgent(`  - { path: raw, key: p/raw, reload: "touch ${at("reloaded")}" }\n`);
    rmSync(at("state"), { recursive: true });
    writeFileSync(at("state"), "");
    started.source.backlog("p/raw", { "": "new" });
    await started.agent.firstRound();
    expect(started.agent.status().files[0]?.error).toMatchObject({ code: "state_unusable" });
    expect(existsSync(at("raw"))).toBe(false);
  });

  it("removes what an agent that was killed left beside the file, and nothing of one that runs", async () => {
    const names = [999_999_999, process.pid, process.ppid].map((pid) => `.raw.hearsay-${pid}-0123abcd`);
    const [dead = "", reborn = "", alive = ""] = names.map(at);
    // In another container somebody has this id now.
    const elsewhere = `${dead.slice(0, -8)}89abcdef`;
    for (const path of [dead, reborn, alive, elsewhere]) writeFileSync(path, "half");
    for (const path of [dead, reborn, alive]) utimesSync(path, 1, 1);
    // Of a file beside it whose backup is being made.
    writeFileSync(at("beside"), "old");
    utimesSync(at("beside"), 1, 1);
    const backup = at(`.beside.bak.hearsay-${process.pid}-0123abcd`);
    linkSync(at("beside"), backup);
    const started = await startAgent(RAW);
    started.source.backlog("p/", { raw: "whole" });
    await started.agent.firstRound();
    const remain = [dead, reborn, alive, elsewhere, backup].map((path) => existsSync(path));
    expect(remain).toEqual([false, false, true, true, true]);
    expect(textOf("raw")).toBe("whole");
  });

  it("says what is wrong with a template, an owner, a place, and goes on with the other files", async () => {
    writeFileSync(at("bad.eta"), "<% if ( %>");
    writeFileSync(at("latin1.eta"), Buffer.from([0xff, 0x41]));
    writeFileSync(at("missing.eta"), `<%= it.get("p/nothing") %>x`);
    const started = await startAgent(
      `  - { path: a, template: nowhere.eta, prefixes: [p/] }
  - { path: b, template: bad.eta, prefixes: [p/] }
  - { path: c, template: latin1.eta, prefixes: [p/] }
  - { path: d, template: missing.eta, prefixes: [p/] }
  - { path: no/where/e, key: p/raw, prefixes: [p/] }
  - { path: state, key: p/raw, prefixes: [p/] }
  - { path: f, key: p/raw, prefixes: [p/], owner: nobody-of-that-name }
  - { path: g, key: p/raw, prefixes: [p/] }
`,
      { failOnMissing: true },
    );
    started.source.backlog("p/", { raw: "fine" });
    await started.agent.firstRound();
    expect(started.agent.status().files.map(({ error }) => error?.code)).toEqual([
      "template_unreadable",
      "template_failed",
      "template_unreadable",
      "missing_keys",
      "file_unusable",
      "file_unusable",
      "owner_unknown",
      undefined,
    ]);
    expect(textOf("g")).toBe("fine");
    expect(started.agent.status().files[3]?.error?.message).toContain("p/nothing");
  });

  it("replaces no file that is as wanted, and runs one reload for several files", async () => {
    const reload = `echo x >> ${at("count")}; sleep 0.05`;
    const files = ["a", "b", "c", "d"].map(
      (name) => `  - { path: ${name}, key: p/${name}, prefixes: [p/], reload: "${reload}" }\n`,
    );
    const started = await startAgent(files.join(""));
    const { source, agent } = started;
    source.backlog("p/", { a: "1", b: "1", c: "1", d: "1" });
    await agent.firstRound();
    const runs = textOf("count").length / 2;
    expect(runs).toBeLessThanOrEqual(2);
    const before = statSync(at("a")).ino;
    source.put("p/", { b: "2" });
    await written(started);
    expect(statSync(at("a")).ino).toBe(before);
    expect(textOf("b")).toBe("2");
  });
});
