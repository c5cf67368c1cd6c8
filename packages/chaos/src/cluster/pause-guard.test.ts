import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { PauseGuard } from "./pause-guard.ts";

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill("SIGKILL");
});

/** One letter: T for stopped. */
function stateOf(pid: number): string {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

it.skipIf(!existsSync("/proc/self/stat"))(
  "a process is paused at once and goes on when it is woken (needs /proc)",
  async () => {
    child = spawn("sleep", ["60"]);
    const { pid = 0 } = child;
    const guard = new PauseGuard(pid);
    await expect.poll(() => stateOf(pid)).toBe("T");
    await guard.wake();
    await expect.poll(() => stateOf(pid)).not.toBe("T");
  },
);
