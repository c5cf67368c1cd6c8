/** Changes on their way to readers. What many readers get alike is made once. */
import { formatCursor, includesClaims, joinClaims, type WatchCursor } from "@hearsay/core";
import type { WatchedChange } from "./changes.ts";

/** What readers of a prefix are told at once. */
export class Delivery {
  readonly changes: readonly WatchedChange[];
  /** This node's own, behind the changes. */
  readonly cursor: Moment;
  readonly #texts: [whole: Buffer | undefined, keyOnly: Buffer | undefined] = [undefined, undefined];

  constructor(changes: readonly WatchedChange[], cursor: Moment) {
    this.changes = changes;
    this.cursor = cursor;
  }

  /** Server-sent events, all with this node's own cursor. */
  shared(keysOnly: boolean): Buffer {
    const at = keysOnly ? 1 : 0;
    this.#texts[at] ??= this.events(keysOnly, this.cursor.text);
    return this.#texts[at];
  }

  /** Only behind the last one is the cursor true, so the others have none. */
  events(keysOnly: boolean, cursor: string): Buffer {
    const last = this.changes.length - 1;
    let text = "";
    for (const [i, change] of this.changes.entries()) {
      text += eventText(change.kind, change.data(keysOnly), i === last ? cursor : undefined);
    }
    return Buffer.from(text);
  }
}

/** A block of server-sent events; without an id the one before stands. */
export function eventText(event: string, data: string, id: string | undefined): string {
  return id === undefined
    ? `event: ${event}\ndata: ${data}\n\n`
    : `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
}

/** A cursor of this node, whose text is made once. */
export class Moment {
  readonly cursor: WatchCursor;
  #text: string | undefined;

  constructor(cursor: WatchCursor) {
    this.cursor = cursor;
  }

  get text(): string {
    this.#text ??= formatCursor(this.cursor);
    return this.#text;
  }
}

/**
 * The cursors of one reader. Who came with the cursor of another node knows what this node may yet have to learn; until
 * it has, that stays part of the reader's cursors.
 */
export class ReaderCursor {
  #earlier: WatchCursor | undefined;

  constructor(earlier: WatchCursor | undefined) {
    this.#earlier = earlier;
  }

  /** Undefined when the node's own says it all. */
  get earlier(): WatchCursor | undefined {
    return this.#earlier;
  }

  /** Behind all that the node has told up to that moment. */
  at(moment: Moment): string {
    const { cursor } = moment;
    if (this.#earlier !== undefined && includesClaims(cursor.claims, this.#earlier.claims)) {
      this.#earlier = undefined;
    }
    if (this.#earlier === undefined) return moment.text;
    return formatCursor({ ...cursor, claims: joinClaims(cursor.claims, this.#earlier.claims) });
  }
}
