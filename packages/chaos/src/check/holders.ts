/** Who was known to hold a write, beside the node that took it. */
import type { History } from "../history/history.ts";
import { versionMs, type WritesByKey, writerOf } from "./key-writes.ts";
import type { Rosters } from "./rosters.ts";
import { type Through, Watermarks } from "./watermarks.ts";

export class Holders {
  readonly #writes: WritesByKey;
  readonly #through: Through;
  /** By version: whom receipts named. */
  readonly #named: Map<string, string[]> = new Map();

  constructor({ statuses, receipts, reads }: History, writes: WritesByKey, rosters: Rosters) {
    this.#writes = writes;
    this.#through = new Watermarks(statuses).held();
    for (const { version, holders = [] } of receipts)
      this.#named.set(version, [...(this.#named.get(version) ?? []), ...holders]);
    for (const { node, id, startMs, endMs, completeThroughMs } of reads) {
      if (id === undefined || typeof completeThroughMs !== "number") continue;
      // It says nothing of the writes of one that the node does not count.
      for (const writer of rosters.counted(node, id, startMs, endMs))
        this.#through.raise(writer, id, completeThroughMs);
    }
  }

  /** Who had shown it, was named in a receipt for it, or was said to hold everything through it. */
  others(version: string): ReadonlySet<string> {
    const writer = writerOf(version);
    const through = this.#through.holdersOf(writer, versionMs(version));
    const all = [...this.#writes.shownBy(version), ...(this.#named.get(version) ?? []), ...through];
    return new Set(all.filter((id) => id !== writer));
  }
}
