/**
 * Updates on their way, one per id. Those sent least often go first (SWIM, section 4.1), in the order they came, and each
 * goes out at most as often as an epidemic needs. Putting and taking cost O(1) an item.
 */
import type { NodeId } from "../identity.ts";
import type { Update } from "./member.ts";

/** How often one update is sent among `n` live members. */
export function retransmitLimit(mult: number, n: number): number {
  return mult * Math.ceil(Math.log10(n + 1));
}

export class BroadcastQueue {
  readonly #max: number;
  /** Index: how often it has been sent. */
  readonly #tiers: Map<NodeId, Update>[] = [];
  readonly #tierOf: Map<NodeId, number> = new Map();
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#tierOf.size;
  }

  /** Updates that fell off a full queue before they were sent as often as meant. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Replaces what waits for the same id. A full queue gives up the oldest of those sent most often. */
  put(update: Update): void {
    const id = update.kind === "retired" ? update.id : update.member.id;
    this.#remove(id);
    if (this.#tierOf.size >= this.#max) this.#dropOne();
    this.#insert(0, id, update);
  }

  /** At most `count` updates, each of which has been sent less than `limit` times. */
  take(count: number, limit: number): Update[] {
    const taken: Update[] = [];
    if (this.#tierOf.size === 0) return taken;
    const sent: { readonly tier: number; readonly id: NodeId; readonly update: Update }[] = [];
    for (const [tier, entries] of this.#tiers.entries()) {
      for (const [id, update] of entries) {
        if (tier < limit && taken.length >= count) break;
        if (tier < limit) taken.push(update);
        sent.push({ tier, id, update });
      }
    }
    for (const { tier, id, update } of sent) {
      this.#remove(id);
      if (tier + 1 < limit) this.#insert(tier + 1, id, update);
    }
    return taken;
  }

  #insert(tier: number, id: NodeId, update: Update): void {
    while (this.#tiers.length <= tier) this.#tiers.push(new Map());
    this.#tiers[tier]?.set(id, update);
    this.#tierOf.set(id, tier);
  }

  #remove(id: NodeId): void {
    const tier = this.#tierOf.get(id);
    if (tier === undefined) return;
    this.#tiers[tier]?.delete(id);
    this.#tierOf.delete(id);
  }

  #dropOne(): void {
    for (let tier = this.#tiers.length - 1; tier >= 0; tier--) {
      for (const id of this.#tiers[tier]?.keys() ?? []) {
        this.#remove(id);
        this.#dropped += 1;
        return;
      }
    }
  }
}
