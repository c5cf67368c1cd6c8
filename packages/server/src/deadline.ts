/** A moment by which several steps together have to be done. */
export class Deadline {
  readonly #atMs: number;

  /** @param ms from now on */
  constructor(ms: number) {
    this.#atMs = performance.now() + ms;
  }

  get leftMs(): number {
    return Math.max(0, this.#atMs - performance.now());
  }

  /** Settles with the step, or without it when the time is over. @returns whether it came to its end in time */
  async within(step: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), this.leftMs);
    });
    try {
      return await Promise.race([step.then(() => true), over]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Settles when the condition holds, which is looked at again and again, or when the time is over. */
  async until(holds: () => boolean): Promise<boolean> {
    while (!holds()) {
      if (this.leftMs === 0) return false;
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_AGAIN_MS);
      });
    }
    return true;
  }
}

const LOOK_AGAIN_MS = 10;
