/**
 * What an import sent again because no answer came. The first attempt may be on its way for as long as a network keeps it,
 * and a node that it reaches takes it for a new write: nothing that the import does later can keep it away.
 */
import { quantity } from "./quantity.ts";

export interface SentLines {
  readonly records: number;
  readonly firstLine: number;
  readonly lastLine: number;
}

export class SentAgain {
  #all: SentLines | undefined;

  add({ records, firstLine, lastLine }: SentLines): void {
    const all = this.#all ?? { records: 0, firstLine, lastLine };
    this.#all = {
      records: all.records + records,
      firstLine: Math.min(all.firstLine, firstLine),
      lastLine: Math.max(all.lastLine, lastLine),
    };
  }

  /** Undefined when nothing was. */
  get warning(): string | undefined {
    if (this.#all === undefined) return undefined;
    const { records, firstLine, lastLine } = this.#all;
    return `of lines ${firstLine} to ${lastLine}, ${quantity(records, "record")} had to be sent twice, as no answer came; what was sent first may still arrive, and then covers what was written to these keys since, by later lines too`;
  }
}
