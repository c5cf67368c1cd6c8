/**
 * Whom to probe next. Round-robin through a shuffled list, shuffled anew after each pass, bounds the time until a failed
 * member is probed (SWIM, section 4.3); a member that joins is inserted at a random position.
 */
import type { NodeId } from "../identity.ts";
import { type RandomSource, randomBelow, shuffled } from "../random.ts";

export class ProbeOrder {
  readonly #kind: "round-robin" | "random";
  readonly #random: RandomSource;
  #ids: NodeId[] = [];
  #next = 0;

  constructor(kind: "round-robin" | "random", random: RandomSource) {
    this.#kind = kind;
    this.#random = random;
  }

  /** No effect on an id that is in the list. */
  add(id: NodeId): void {
    if (this.#ids.includes(id)) return;
    const at = randomBelow(this.#random, this.#ids.length + 1);
    this.#ids.splice(at, 0, id);
    // Behind the cursor it waits for the next pass, and nobody is probed twice in this one.
    if (at < this.#next) this.#next += 1;
  }

  remove(id: NodeId): void {
    const at = this.#ids.indexOf(id);
    if (at < 0) return;
    this.#ids.splice(at, 1);
    if (at < this.#next) this.#next -= 1;
  }

  next(): NodeId | undefined {
    if (this.#kind === "random") return this.#ids[randomBelow(this.#random, this.#ids.length)];
    if (this.#next >= this.#ids.length) {
      this.#ids = shuffled(this.#random, this.#ids);
      this.#next = 0;
    }
    const id = this.#ids[this.#next];
    this.#next += 1;
    return id;
  }
}
