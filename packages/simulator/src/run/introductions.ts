/** Who is told of whom at its start: what an operator writes into `join`. */
export class Introductions {
  /** Begins a new cluster, so it is told of nobody. */
  #founder: string | undefined;
  /** Begun anew beside the others, by a mistake that lasts: they are told nothing of it, nor is it told of them. */
  readonly #beside: Set<string> = new Set();

  /** It is told of nobody, until it has begun a cluster. */
  begins(name: string): void {
    this.#founder = name;
  }

  started(name: string): void {
    if (name === this.#founder) this.#founder = undefined;
  }

  beginsBeside(name: string): void {
    this.#beside.add(name);
  }

  rejoins(name: string): void {
    this.#beside.delete(name);
  }

  isBeside(name: string): boolean {
    return this.#beside.has(name);
  }

  get hasBeside(): boolean {
    return this.#beside.size > 0;
  }

  /** @param present all that are there */
  of(name: string, present: readonly string[]): string[] {
    if (name === this.#founder || this.isBeside(name)) return [];
    return present.filter((other) => other !== name && !this.isBeside(other));
  }
}
