import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { LogOutput } from "./log-output.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-log-"));
afterAll(() => rmSync(directory, { recursive: true }));

const FULL = "/dev/full";

describe("the output of the log", () => {
  it("writes lines in their order, however many come at once", async () => {
    const path = join(directory, "all");
    const fd = openSync(path, "w");
    const onDropped = vi.fn();
    const output = new LogOutput(fd, { onDropped, onResumed: vi.fn() });
    const lines = Array.from({ length: 1000 }, (_, i) => `${i} é\n`);
    for (const line of lines) output.write(line);
    await expect.poll(() => readFileSync(path, "utf8")).toBe(lines.join(""));
    expect(onDropped).not.toHaveBeenCalled();
    closeSync(fd);
  });

  it.runIf(existsSync(FULL))("keeps a bounded part of what a full disk does not take, and ends", async () => {
    const fd = openSync(FULL, "w");
    const onDropped = vi.fn();
    const output = new LogOutput(fd, { onDropped, onResumed: vi.fn() });
    const line = `${"x".repeat(64 * 1024 - 1)}\n`;
    for (let i = 0; i < 100; i++) output.write(line);
    expect(onDropped).toHaveBeenCalledTimes(100 - 16);
    output.flush();
  });

  it("says how many lines were dropped when its reader goes on", async () => {
    const path = join(directory, "pipe");
    execFileSync("mkfifo", [path]);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const onDropped = vi.fn();
    const output: LogOutput = new LogOutput(fd, {
      onDropped,
      onResumed: (count) => output.write(`dropped ${count}\n`),
    });
    for (let i = 0; i < 40; i++) output.write(`${"x".repeat(64 * 1024 - 1)}\n`);
    expect(onDropped).toHaveBeenCalledTimes(40 - 16);
    let read = "";
    await expect
      .poll(
        () => {
          read += readAll(fd);
          return read.slice(-12);
        },
        { timeout: 20_000 },
      )
      .toBe("\ndropped 24\n");
    expect(read.match(/^x+$/gm)).toHaveLength(16);
    closeSync(fd);
  });
});

/** What is in the pipe now. */
function readAll(fd: number): string {
  const buffer = Buffer.alloc(64 * 1024);
  let text = "";
  try {
    for (;;) text += buffer.toString("latin1", 0, readSync(fd, buffer));
  } catch {
    return text;
  }
}
