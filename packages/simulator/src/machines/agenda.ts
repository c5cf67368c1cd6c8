/** What is to happen in a virtual world of pure machines, in the order of its time: a binary heap. Nothing in it waits. */

interface Entry {
  readonly atMs: number;
  /** Decides between equal times: the order of scheduling. */
  readonly order: number;
  readonly run: () => void;
}

export class Agenda {
  readonly #heap: Entry[] = [];
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): void {
    this.at(this.#nowMs + ms, run);
  }

  /** A time that has passed counts as now. */
  at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order, run });
  }

  /**
   * Lets time pass until the condition holds, or so many milliseconds.
   * @returns the time it took; undefined when the condition did not come to hold
   */
  until(holds: () => boolean, withinMs: number): number | undefined {
    const startMs = this.#nowMs;
    const endMs = startMs + withinMs;
    for (;;) {
      if (holds()) return this.#nowMs - startMs;
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      this.#nowMs = next.atMs;
      next.run();
    }
    if (endMs < Number.POSITIVE_INFINITY) this.#nowMs = endMs;
    return undefined;
  }

  advance(ms: number): void {
    this.until(() => false, ms);
  }

  /** Until nothing is to happen any more. */
  finish(): void {
    this.until(() => false, Number.POSITIVE_INFINITY);
  }

  #push(added: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(added);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || isBefore(parent, added)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = added;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
