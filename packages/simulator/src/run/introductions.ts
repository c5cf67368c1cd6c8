import type { NodeId } from "@hearsay/core";

/** Who is told of whom at its start: what an operator writes into `join`. */
export class Introductions {
  /** Begins a new cluster, so it is told of nobody. */
  #founder: string | undefined;
  #hasFounded = false;
  #beginner: NodeId | undefined;
  /** Begun anew beside the others, by a mistake that lasts: they are told nothing of it, nor is it told of them. */
  readonly #beside: Set<string> = new Set();
  /** Whom those are told of that begin a cluster together, where it is not of all. */
  readonly #told: Map<string, readonly string[]> = new Map();

  /** It is told of nobody until it has begun a cluster, and others have entered that (docs/cluster.md). */
  begins(name: string): void {
    this.#founder = name;
    this.#hasFounded = false;
  }

  started(name: string, id: NodeId): void {
    if (name !== this.#founder || this.#hasFounded) return;
    this.#hasFounded = true;
    this.#beginner = id;
  }

  /** Whether nobody has entered yet what it begins: from an empty directory it would begin another one. */
  isFounder(name: string): boolean {
    return name === this.#founder;
  }

  /** The id that began the cluster there is, in the place of an older one or as the first; undefined where several did it together. */
  get beginner(): NodeId | undefined {
    return this.#beginner;
  }

  /** @param members that are up */
  areMembers(members: readonly string[]): void {
    const hasOther = members.some((name) => name !== this.#founder);
    if (this.#hasFounded && hasOther) this.#founder = undefined;
  }

  tells(name: string, others: readonly string[]): void {
    this.#told.set(name, others);
  }

  /** The cluster has begun: everybody is told of all from now on. */
  hasBegun(): void {
    this.#told.clear();
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
    const told = this.#told.get(name);
    if (told !== undefined) return [...told];
    return present.filter((other) => other !== name && !this.isBeside(other));
  }
}
