import type { Timers } from "@hearsay/node";

/** A late answer may be of before a change. */
export const LATE_ANSWER_KEPT_MS = 30_000;

/**
 * Questions to a name service, which may be long in answering. None is put again while it is open, so that they do not
 * pile up, and an answer that comes when nobody waits any more is had by whoever asks next.
 */
export class Questions<T> {
  readonly #put: (name: string) => Promise<readonly T[]>;
  readonly #timers: Timers;
  readonly #open: Map<string, Question<T>> = new Map();

  constructor(put: (name: string) => Promise<readonly T[]>, timers: Timers) {
    this.#put = put;
    this.#timers = timers;
  }

  ask(name: string): Question<T> {
    const open = this.#open.get(name);
    if (open !== undefined && !open.isAnswered) return open;
    this.#open.delete(name);
    if (open?.isFresh === true) return open;
    const question = new Question(found(this.#put(name)), this.#timers, (isOfUse) => {
      if (!isOfUse) this.#open.delete(name);
    });
    this.#open.set(name, question);
    return question;
  }
}

export class Question<T> {
  readonly #answer: Promise<readonly T[]>;
  readonly #timers: Timers;
  #answeredMs: number | undefined;
  #isGivenUp = false;

  /** @param answered is told whether somebody who has given up would have had use for what it is */
  constructor(answer: Promise<readonly T[]>, timers: Timers, answered: (isOfUse: boolean) => void) {
    this.#timers = timers;
    this.#answer = answer.then((found) => {
      this.#answeredMs = timers.monotonicMs();
      answered(this.#isGivenUp && found.length > 0);
      return found;
    });
  }

  get isAnswered(): boolean {
    return this.#answeredMs !== undefined;
  }

  get isFresh(): boolean {
    if (this.#answeredMs === undefined) return false;
    return this.#timers.monotonicMs() - this.#answeredMs < LATE_ANSWER_KEPT_MS;
  }

  /** What it brings within the time: nothing, where it brings none. */
  within(ms: number): Promise<readonly T[]> {
    return new Promise((resolve) => {
      const stop = this.#timers.after(ms, () => {
        this.#isGivenUp = true;
        resolve([]);
      });
      void this.#answer.then((found) => {
        stop();
        resolve(found);
      });
    });
  }
}

/** A name without records of a kind, or a server that does not answer, is no seed for now. */
async function found<T>(lookup: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await lookup;
  } catch {
    return [];
  }
}
