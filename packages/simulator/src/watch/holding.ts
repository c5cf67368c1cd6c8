/** Of one machine, which writes it has been seen to hold: told to the ledger, and looked for as seldom as can be. */
import { type Context, covers } from "@hearsay/core";
import type { Write, WriteLedger } from "../invariants/ledger.ts";

export class Holding {
  readonly #machine: string;
  readonly #ledger: WriteLedger;
  /** Of each key the writes that it has not been seen to hold, among so many that were looked at. */
  readonly #lacks: Map<string, { readonly writes: readonly Write[]; readonly of: number }> = new Map();

  constructor(machine: string, ledger: WriteLedger) {
    this.#machine = machine;
    this.#ledger = ledger;
  }

  /** It holds what this context covers. */
  holds(key: string, context: Context): void {
    const issued = this.#ledger.of(key);
    const lacks = this.#lacks.get(key);
    const newer = issued.slice(lacks?.of ?? 0);
    const writes = lacks === undefined || lacks.writes.length === 0 ? newer : [...lacks.writes, ...newer];
    if (writes.length === 0) return;
    const still: Write[] = [];
    for (const write of writes) {
      if (!covers(context, write.version)) still.push(write);
      else {
        write.wasHeld = true;
        write.holders.add(this.#machine);
      }
    }
    this.#lacks.set(key, { writes: still, of: issued.length });
  }

  /** @returns whether it was one of those that hold the write */
  lost(write: Write): boolean {
    if (!write.holders.delete(this.#machine)) return false;
    this.#lacks.delete(write.key);
    return true;
  }
}
