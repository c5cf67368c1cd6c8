/** Beside the nodes, by their indexes. */
export const NETWORK = -1;
export const CLOCKS = -2;

export function everythingOf(nodes: number): number[] {
  return [CLOCKS, NETWORK, ...Array.from({ length: nodes }, (_, i) => i)];
}

/** A node has only one fault at a time that is about its process or its disk. */
export class Mutexes {
  readonly #tails: Map<number, Promise<void>> = new Map();

  /** Runs the work when all of these are free, which are its own until it is done. */
  async hold<T>(indexes: readonly number[], work: () => Promise<T>): Promise<T> {
    const [first, ...others] = [...indexes].sort((a, b) => a - b);
    if (first === undefined) return await work();
    const before = this.#tails.get(first) ?? Promise.resolve();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#tails.set(
      first,
      before.then(() => held),
    );
    await before;
    try {
      // In one order for all, so that nobody waits in a circle.
      return await this.hold(others, work);
    } finally {
      release();
    }
  }
}
