/**
 * A process that is stopped by SIGSTOP notices nothing, not even that whoever stopped it is gone. The guard waits for the end
 * of its input, which comes when it is told to or when this process has ended, and wakes the paused one.
 */
import { type ChildProcess, spawn } from "node:child_process";

export class PauseGuard {
  readonly #guard: ChildProcess;
  readonly #ended: Promise<void>;

  /** Pauses the process at once. */
  constructor(pid: number) {
    this.#guard = spawn("/bin/sh", ["-c", `read -r _; kill -CONT ${pid}`], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#ended = new Promise((resolve) => {
      this.#guard.once("error", () => resolve());
      this.#guard.once("exit", () => resolve());
    });
    process.kill(pid, "SIGSTOP");
  }

  /** Settles when the process goes on. */
  async wake(): Promise<void> {
    this.#guard.stdin?.end();
    await this.#ended;
  }
}
