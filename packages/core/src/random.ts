/**
 * Seeded randomness for the protocol machines: one generator is handed down, and each machine forks a child of
 * its own, so that what one machine draws never shifts what another sees.
 */
export interface RandomSource {
  /** Uniform in [0, 1). */
  next(): number;
  /** An independent generator, decided by this one's state. */
  fork(): RandomSource;
}

/** SplitMix-seeded xorshift128 (Marsaglia, "Xorshift RNGs", 2003, section 4): 32 bits a draw, not for secrets. */
export class SeededRandom implements RandomSource {
  #x: number;
  #y: number;
  #z: number;
  #w: number;

  /** @param seed any 32-bit integer */
  constructor(seed: number) {
    let state = seed | 0;
    const word = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#x = word();
    this.#y = word();
    this.#z = word();
    // One word is never zero, because a state of four zeros would stay there.
    this.#w = word() | 1;
  }

  next(): number {
    return this.#draw() / 0x1_0000_0000;
  }

  fork(): SeededRandom {
    return new SeededRandom(this.#draw());
  }

  #draw(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) | 0;
    return this.#w >>> 0;
  }
}

/** A whole number from 0 up to but not including `bound`. */
export function randomBelow(random: RandomSource, bound: number): number {
  return Math.floor(random.next() * bound);
}

/** Up to `count` distinct items in random order. The cost follows `count`, which is small, and not the number of items. */
export function sampled<T>(random: RandomSource, items: readonly T[], count: number): T[] {
  const positions: number[] = [];
  // Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", 1987), with the place of each drawn as well.
  for (let end = Math.max(0, items.length - count); end < items.length; end++) {
    const drawn = randomBelow(random, end + 1);
    const position = positions.includes(drawn) ? end : drawn;
    positions.splice(randomBelow(random, positions.length + 1), 0, position);
  }
  return positions.flatMap((position) => items.slice(position, position + 1));
}

/** A new array in random order (Fisher and Yates, by Durstenfeld's algorithm). */
export function shuffled<T>(random: RandomSource, items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const a = result[i];
    const b = result[j];
    if (a !== undefined && b !== undefined) {
      result[i] = b;
      result[j] = a;
    }
  }
  return result;
}
