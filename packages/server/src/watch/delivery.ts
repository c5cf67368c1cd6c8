/** Changes on their way to readers. What many readers get alike is made once. */
import { formatCursor, type WatchCursor } from "@hearsay/core";
import type { WatchedChange } from "./changes.ts";

/** What readers of a prefix are told at once. */
export class Delivery {
  readonly changes: readonly WatchedChange[];
  /** This node's own, behind the changes; undefined while it is not known what has been told. */
  readonly cursor: Moment | undefined;
  readonly #texts: [whole: Buffer | undefined, keyOnly: Buffer | undefined] = [undefined, undefined];

  constructor(changes: readonly WatchedChange[], cursor: Moment | undefined) {
    this.changes = changes;
    this.cursor = cursor;
  }

  /** Server-sent events. Only behind the last one is the cursor true, so the others have none. */
  events(keysOnly: boolean): Buffer {
    const at = keysOnly ? 1 : 0;
    this.#texts[at] ??= Buffer.from(this.#render(keysOnly));
    return this.#texts[at];
  }

  #render(keysOnly: boolean): string {
    const last = this.changes.length - 1;
    let text = "";
    for (const [i, change] of this.changes.entries()) {
      text += eventText(change.kind, change.data(keysOnly), i === last ? this.cursor?.text : undefined);
    }
    return text;
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
