import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualPorts } from "../ports.contract.ts";
import { FakeSource } from "../values/source.contract.ts";
import { type ExecOptions, RunningExec } from "./run-exec.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a line with $COLOUR when it starts, and another on SIGUSR1 or SIGTERM; ends with 7 on SIGINT. */
const SCRIPT = `
  trap 'echo usr1 >> "$OUT"' USR1; trap 'echo term >> "$OUT"; exit 0' TERM; trap 'exit 7' INT
  echo "start $COLOUR" >> "$OUT"; while :; do sleep 0.02; done`;

function startExec(options: Partial<ExecOptions> = {}): {
  readonly exec: RunningExec;
  readonly source: FakeSource;
  readonly ports: ManualPorts;
  readonly code: Promise<number>;
  readonly lines: () => string[];
} {
  const [source, ports, out] = [new FakeSource(), new ManualPorts(), join(directory, "out")];
  const exec = new RunningExec({
    words: ["/bin/sh", "-c", SCRIPT],
    signal: undefined,
    killAfterMs: 10_000,
    environment: { PATH: process.env["PATH"], OUT: out },
    prefixes: ["app/"],
    source,
    ports,
    state: undefined,
    splayMs: 0,
    allowEmpty: false,
    ...options,
  });
  const lines = (): string[] =>
    existsSync(out) ? readFileSync(out, "utf8").split("\n").filter(Boolean) : [];
  return { exec, source, ports, code: exec.run(), lines };
}

const until = (lines: () => string[], expected: readonly string[]): Promise<void> =>
  vi.waitFor(() => expect(lines()).toEqual(expected), { timeout: 20_000, interval: 10 });

describe("exec", () => {
  it("starts the command once the prefix is whole, restarts it on a change, and ends as it ends", async () => {
    const { exec, source, ports, code, lines } = startExec();
    source.put("app/", { colour: "red" });
    ports.pass(1_000);
    expect(lines()).toEqual([]);
    source.tell("app/", { kind: "synced" });
    await until(lines, ["start red"]);
    source.put("app/", { colour: "blue" });
    ports.pass(60);
    await until(lines, ["start red", "term", "start blue"]);
    exec.child.send("SIGINT");
    expect(await code).toBe(7);
  });

  it("with a signal only tells the command, and stops it with the signal it gets itself", async () => {
    const { exec, source, ports, code, lines } = startExec({ signal: "SIGUSR1" });
    source.backlog("app/", { colour: "red" });
    await until(lines, ["start red"]);
    source.put("app/", { colour: "blue" });
    ports.pass(60);
    await until(lines, ["start red", "usr1"]);
    await exec.stop("SIGTERM");
    expect(await code).toBe(0);
    expect(lines().at(-1)).toBe("term");
  });

  it("keeps the command as it is when the keys are gone or no variables can be made of them", async () => {
    const { exec, source, ports, code, lines } = startExec();
    source.backlog("app/", { colour: "red" });
    await until(lines, ["start red"]);
    const [shrank, invalid] = [ports.next("prefix_shrank"), ports.next("environment_invalid")];
    source.put("app/", { colour: undefined });
    ports.pass(60);
    await shrank;
    source.put("app/", { colour: "red", COLOUR: "two of them" });
    ports.pass(2_000);
    await invalid;
    expect(lines()).toEqual(["start red"]);
    await exec.stop("SIGTERM");
    expect(await code).toBe(0);
  });

  it("starts from the last good copy when no node answers", async () => {
    const state = join(directory, "state");
    const first = startExec({ state });
    await vi.waitFor(() => first.source.backlog("app/", { colour: "red" }));
    await until(first.lines, ["start red"]);
    await first.exec.stop("SIGTERM");
    await first.code;
    const second = startExec({ state });
    await vi.waitFor(() => second.source.tell("app/", { kind: "down", reason: "ECONNREFUSED" }));
    second.ports.pass(5_000);
    await until(second.lines, ["start red", "term", "start red"]);
    await second.exec.stop("SIGTERM");
    expect(await second.code).toBe(0);
  });

  it("neither starts nor restarts without the keys of one of its prefixes, also when they went while it was away", async () => {
    const state = join(directory, "state");
    const prefixes = ["common/", "app/"];
    const first = startExec({ state, prefixes });
    await vi.waitFor(() => first.source.backlog("common/", { level: "info" }));
    first.source.backlog("app/", { colour: "red" });
    await until(first.lines, ["start red"]);
    const shrank = first.ports.next("prefix_shrank");
    first.source.put("app/", { colour: undefined });
    first.ports.pass(60);
    expect((await shrank).facts).toMatchObject({ message: '"app/" went from 1 to no keys' });
    await first.exec.stop("SIGTERM");
    await first.code;
    const second = startExec({ state, prefixes });
    const failed = expect(second.code).rejects.toMatchObject({ fault: { code: "prefix_shrank" } });
    await vi.waitFor(() => second.source.backlog("common/", { level: "info" }));
    second.source.backlog("app/", {});
    await failed;
    const third = startExec({ state, prefixes, allowEmpty: true });
    await vi.waitFor(() => third.source.backlog("common/", { level: "info" }));
    third.source.backlog("app/", {});
    await until(third.lines, ["start red", "term", "start "]);
    await third.exec.stop("SIGTERM");
    expect(await third.code).toBe(0);
  });

  it("that is asked to end while it restarts the command starts none in its place", async () => {
    const go = join(directory, "go");
    const slow = `trap 'while ! [ -e ${go} ]; do sleep 0.02; done; echo term >> "$OUT"; exit 0' TERM
      echo "start $COLOUR" >> "$OUT"; while :; do sleep 0.02; done`;
    const { exec, source, ports, code, lines } = startExec({ words: ["/bin/sh", "-c", slow] });
    source.backlog("app/", { colour: "red" });
    await until(lines, ["start red"]);
    await vi.waitFor(() => expect(ports.logged.map(({ event }) => event)).toContain("command_started"));
    source.put("app/", { colour: "blue" });
    ports.pass(60);
    const stopped = exec.stop("SIGTERM");
    writeFileSync(go, "");
    await stopped;
    expect(await code).toBe(143);
    expect(lines()).toEqual(["start red", "term"]);
  });

  it("goes on when the last good values cannot be kept", async () => {
    const state = join(directory, "state");
    const { exec, source, ports, code, lines } = startExec({ state });
    await vi.waitFor(() => source.put("app/", { colour: "red" }));
    rmSync(state, { recursive: true });
    writeFileSync(state, "");
    const unsaved = ports.next("copy_not_saved");
    source.tell("app/", { kind: "synced" });
    await unsaved;
    await until(lines, ["start red"]);
    await exec.stop("SIGTERM");
    expect(await code).toBe(0);
  });

  it("starts the command again once it can be, when it cannot at the moment of a restart", async () => {
    const bin = join(directory, "bin");
    mkdirSync(bin);
    symlinkSync("/bin/sh", join(bin, "sh"));
    const { exec, source, ports, code, lines } = startExec({ words: [join(bin, "sh"), "-c", SCRIPT] });
    source.backlog("app/", { colour: "red" });
    await until(lines, ["start red"]);
    renameSync(bin, `${bin}.away`);
    // Not a directory: that is thrown at once, and told by no event.
    writeFileSync(bin, "");
    const failed = ports.next("command_not_started");
    source.put("app/", { colour: "blue" });
    ports.pass(60);
    await failed;
    rmSync(bin);
    renameSync(`${bin}.away`, bin);
    ports.pass(1_000);
    await until(lines, ["start red", "term", "start blue"]);
    await exec.stop("SIGTERM");
    expect(await code).toBe(0);
  });

  it("fails when the command cannot be started", async () => {
    const { source, code } = startExec({ words: ["/no/such/command"] });
    source.backlog("app/", { colour: "red" });
    await expect(code).rejects.toMatchObject({ fault: { code: "command_not_started" } });
  });
});
