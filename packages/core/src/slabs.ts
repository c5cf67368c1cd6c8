/** Memory is taken from the platform in pieces of this size. */
const SLAB_BYTES = 16 * 1024;
/** Larger copies get memory of their own, so that none keeps much more than itself. */
const SLAB_SHARE_BYTES = 1024;

/**
 * Copies of bytes that are needed for a short while. Small ones share pieces of memory: a piece for each costs more than
 * copying, once to get it and once more when the garbage collector gives it back.
 *
 * Invariant: a copy is nobody else's and never touched again. Bound: it keeps {@link SLAB_BYTES} or itself in memory.
 */
export class Slabs {
  #slab: Uint8Array = new Uint8Array(0);
  #at: number = 0;

  /** @returns a plain array, also where the source is a subclass of it */
  copy(source: Uint8Array): Uint8Array {
    const { length } = source;
    if (length > SLAB_SHARE_BYTES) {
      const own = new Uint8Array(length);
      own.set(source);
      return own;
    }
    if (length > this.#slab.length - this.#at) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += length;
    this.#slab.set(source, at);
    return new Uint8Array(this.#slab.buffer, at, length);
  }
}
