/** Settles after the time; rejects with the signal's reason when it is aborted first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** A signal that is aborted with the caller's, and by itself once the time is over. */
export class TimeLimit {
  readonly #controller: AbortController = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #caller: AbortSignal;
  readonly #abort: () => void;
  #passed = false;

  constructor(ms: number, caller: AbortSignal) {
    this.#caller = caller;
    this.#abort = () => this.#controller.abort(caller.reason);
    this.#timer = setTimeout(() => {
      this.#passed = true;
      this.#controller.abort(new Error(`it took more than ${ms} ms`));
    }, ms);
    if (caller.aborted) this.#abort();
    else caller.addEventListener("abort", this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it was the time that ended it. */
  get passed(): boolean {
    return this.#passed && !this.#caller.aborted;
  }

  /** Lets go of the timer and of the caller's signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#abort);
  }
}

/** Rejects with the signal's reason once it is aborted, and never settles otherwise. */
export function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
