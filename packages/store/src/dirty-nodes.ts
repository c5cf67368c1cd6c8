/**
 * The nodes of one level of a tree that are to be hashed anew, each once. A flag for each node and a list: what is added and
 * taken for each write must leave nothing behind for the garbage collector.
 */
export class DirtyNodes {
  readonly #isDirty: Uint8Array;
  readonly #nodes: number[] = [];

  /** @param count nodes of the level */
  constructor(count: number) {
    this.#isDirty = new Uint8Array(count);
  }

  get size(): number {
    return this.#nodes.length;
  }

  add(node: number): void {
    if (this.#isDirty[node] === 1) return;
    this.#isDirty[node] = 1;
    this.#nodes.push(node);
  }

  /** Any one of them, which is clean from then on; undefined when all are. */
  take(): number | undefined {
    const node = this.#nodes.pop();
    if (node !== undefined) this.#isDirty[node] = 0;
    return node;
  }
}
