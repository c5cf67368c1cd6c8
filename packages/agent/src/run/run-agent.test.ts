import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ManualPorts } from "../ports.contract.ts";
import { FakeSource } from "../values/source.contract.ts";
import { RunningAgent } from "./run-agent.ts";

let directory: string;
let running: RunningAgent | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
});

afterEach(async () => {
  await running?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function write(status: string): string {
  const path = join(directory, "agent.yaml");
  writeFileSync(
    path,
    `state: state\nstatus: ${status}\nfiles:\n  - { path: raw, key: p/raw, prefixes: [p/] }\n`,
  );
  return path;
}

it("serves its status on another address of the same port, and goes on where it was when it cannot", async () => {
  running = await RunningAgent.start({
    path: write("127.0.0.1:0"),
    ports: new ManualPorts(),
    sourceOf: () => new FakeSource(),
    allowEmpty: false,
    servesStatus: true,
    failOnMissing: undefined,
  });
  const { port } = new URL(running.address ?? "");
  write(`0.0.0.0:${port}`);
  await running.reload();
  expect(running.status().settings.error).toBeUndefined();
  expect(running.address).toBe(`http://0.0.0.0:${port}`);
  // Of no machine (RFC 5737).
  write(`192.0.2.1:${port}`);
  await running.reload();
  expect(running.status().settings.error).toMatchObject({ code: "status_unusable" });
  expect(running.address).toBe(`http://0.0.0.0:${port}`);
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
});

it("goes on where it was when the settings cannot be used for a reason nobody thought of, and reads none once it stops", async () => {
  let fails = false;
  let sources = 0;
  const ports = new ManualPorts();
  running = await RunningAgent.start({
    path: write("127.0.0.1:0"),
    ports,
    sourceOf: () => {
      sources += 1;
      if (fails) throw new TypeError("no client of that");
      return new FakeSource();
    },
    allowEmpty: false,
    servesStatus: false,
    failOnMissing: undefined,
  });
  fails = true;
  await running.reload();
  expect(running.status().settings.error).toMatchObject({ code: "internal", message: "no client of that" });
  fails = false;
  await running.reload();
  expect(running.status().settings.error).toBeUndefined();
  expect(sources).toBe(3);
  const stopped = running.stop();
  await running.reload();
  await stopped;
  expect(sources).toBe(3);
});
