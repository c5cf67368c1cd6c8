/** The store in a process of its own: killed under load, and on a disk that is really full. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";

const CHILD = new URL("dist/store-child.js", import.meta.url).pathname;
const KILLS = 6;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearsay-process-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Runs the child until it has acknowledged so many writes, then kills it; answers what it opened and acknowledged. */
async function loadAndKill(acknowledge: number): Promise<{ report: Record<string, unknown>; last: number }> {
  const child = spawn(process.execPath, [CHILD, "load", directory], { stdio: ["ignore", "pipe", "inherit"] });
  let report: Record<string, unknown> = {};
  let last = 0;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("opened ")) report = JSON.parse(line.slice("opened ".length));
    // The pipe may end in the middle of a number.
    else if (/^\d+$/.test(line) && (seen === 0 || Number(line) === last + 1)) {
      last = Number(line);
      seen += 1;
    }
    if (seen === acknowledge) child.kill("SIGKILL");
  }
  return { report, last };
}

it(`loses no acknowledged write when it is killed ${KILLS} times under load, and is in no doubt`, async () => {
  let acknowledged = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const { report, last } = await loadAndKill(100 + 37 * kill);
    expect(report["doubt"]).toEqual([]);
    expect(report["damaged"]).toBe(0);
    // Numbers are written in order, so as many records as the newest one acknowledged are at least there.
    expect(report["records"]).toBeGreaterThanOrEqual(acknowledged);
    acknowledged = last;
  }
}, 60_000);

function canMountTmpfs(): boolean {
  try {
    execFileSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

it.skipIf(!canMountTmpfs())(
  "goes on reading on a disk that is full, and recovers when there is room (needs unshare and tmpfs)",
  async () => {
    const script = `mount -t tmpfs -o size=12m tmpfs "$0" && exec "$1" "$2" fill "$0/data"`;
    const { stdout } = await promisify(execFile)("unshare", [
      "-rm",
      "sh",
      "-c",
      script,
      directory,
      process.execPath,
      CHILD,
    ]);
    const seen: { written: number } = JSON.parse(stdout);
    expect(seen.written).toBeGreaterThan(300);
    expect(seen).toEqual({
      written: seen.written,
      faults: ["disk_full unknown", "disk_full none"],
      readable: seen.written,
      full: "full",
      recovered: "ok",
      consistent: true,
      kept: seen.written,
    });
  },
  60_000,
);
