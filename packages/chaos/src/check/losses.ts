/** Nodes whose data was destroyed, and which writes that excuses. */
import type { History } from "../history/history.ts";
import type { Holders } from "./holders.ts";
import { type KnownWrite, writerOf } from "./key-writes.ts";

interface Loss {
  readonly atMs: number;
  /** Everything the node acknowledged up to this version was on all members. */
  readonly keptThrough: string | undefined;
}

export class Losses {
  readonly #byId: Map<string, Loss> = new Map();
  readonly #holders: Holders;
  /**
   * This run has destroyed the data itself. It waits until others hold what a node has taken, and not until a new directory has
   * everything: so two in turn may have been the only ones.
   */
  readonly #isOurs: boolean;

  /** @param gone ids that answered during the run and are no members at its end, although no fault explains it */
  constructor({ faults, processes }: History, holders: Holders, gone: Iterable<string>) {
    this.#holders = holders;
    this.#isOurs = processes.length > 0;
    for (const id of gone) this.#byId.set(id, { atMs: 0, keptThrough: undefined });
    for (const { lostId, atMs, keptThrough } of faults) {
      if (lostId !== undefined) this.#byId.set(lostId, { atMs, keptThrough });
    }
  }

  /** Whether claims about the writes of this id may have become void by then. */
  isLost(id: string, byMs: number): boolean {
    const loss = this.#byId.get(id);
    return loss !== undefined && loss.atMs <= byMs;
  }

  /** Only its coordinator is known to have held it, and that one's data was destroyed. */
  excuses({ event, version }: KnownWrite): boolean {
    if (version === undefined) return false;
    const loss = this.#byId.get(writerOf(version));
    if (loss === undefined || (event.acks ?? 1) > 1) return false;
    if (loss.keptThrough !== undefined && version <= loss.keptThrough) return false;
    return [...this.#holders.others(version)].every((id) => this.#isOurs && this.#byId.has(id));
  }
}
