import type { RepeatLog } from "../repeat-log.ts";
import type { Timers } from "./ports.ts";

/** Tasks that are repeated until they are stopped. The next pause starts when a task has ended, and failures are logged. */
export class Periodic {
  readonly #timers: Timers;
  readonly #troubles: RepeatLog;
  readonly #cancels: Set<() => void> = new Set();
  #stopped = false;

  constructor(timers: Timers, troubles: RepeatLog) {
    this.#timers = timers;
    this.#troubles = troubles;
  }

  /** @param stretch times `ms` until the next time, asked before each pause */
  every(ms: number, task: () => Promise<void>, stretch: () => number = () => 1): void {
    const arm = (): void => {
      const cancel = this.#timers.after(ms * stretch(), () => {
        this.#cancels.delete(cancel);
        task()
          .catch((error: unknown) => this.#troubles.failed("periodic_task_failed", error))
          .finally(() => {
            if (!this.#stopped) arm();
          });
      });
      this.#cancels.add(cancel);
    };
    arm();
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
