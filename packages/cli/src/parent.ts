/** A stop that takes longer than its grace by this much hangs, and nobody is left to end it. */
const HANG_MS = 5_000;

/** The process that started this one over an IPC channel, and whose end is the end of this one. */
export class Parent {
  readonly #gone: AbortController = new AbortController();

  /** @param graceMs how long a graceful stop may take once the parent is gone */
  constructor(graceMs: number) {
    const onGone = (): void => {
      this.#gone.abort();
      setTimeout(() => process.exit(1), graceMs + HANG_MS).unref();
    };
    // It may have ended while this process was still loading.
    if (process.connected) process.once("disconnect", onGone);
    else onGone();
  }

  /** Aborted when the channel closes. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  tell(message: object): void {
    // A parent that cannot be told any more is gone, which is noticed by itself.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  }

  /** Lets go of the channel, which would keep this process alive. */
  leave(): void {
    if (process.connected) process.disconnect();
  }
}
