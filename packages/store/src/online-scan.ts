/**
 * A pass over records or index of a store that goes on being written, in chunks, without a snapshot of the
 * database.
 *
 * Invariant: after each step, every key before the cursor has been handed over in its committed state of that
 * moment, and every later change of such a key is reported.
 */
import { decodeUtf8, encodeUtf8 } from "@hearsay/core";
import type { Change } from "./change.ts";
import type { Entry } from "./database-handle.ts";
import type { Engine } from "./engine.ts";
import {
  compareBytes,
  indexKey,
  parseIndexKey,
  recordKey,
  SPACE,
  spaceRange,
  successor,
  userKey,
} from "./keyspace.ts";

export interface ScanVisitor {
  /** A key as it is stored, unchanged since it was read. The key is undefined when it is no text. */
  stored(key: string | undefined, entry: Entry): void;
  /** A key that a commit has changed while its chunk was being read. */
  changed(change: Change): void;
  /** A later change of a key that was handed over before. */
  passed(change: Change): void;
}

export class OnlineScan {
  readonly #engine: Engine;
  readonly #space: "record" | "index";
  readonly #visitor: ScanVisitor;
  readonly #end: Uint8Array;
  /** Keys before it have been handed over. */
  #cursor: Uint8Array;
  /** The newest change of each key since the chunk in hand was asked for. */
  #touched: Map<string, Change> = new Map();
  readonly #listener: (change: Change) => void;

  constructor(engine: Engine, space: "record" | "index", visitor: ScanVisitor) {
    this.#engine = engine;
    this.#space = space;
    this.#visitor = visitor;
    const { gte, lt } = spaceRange(SPACE[space]);
    this.#cursor = gte;
    this.#end = lt;
    this.#listener = (change) => {
      if (compareBytes(this.#position(change), this.#cursor) < 0) visitor.passed(change);
      else this.#touched.set(change.key, change);
    };
    engine.listeners.add(this.#listener);
  }

  /** Hands over one chunk, between two batches. False when there are no more; changes are still reported then. */
  async step(): Promise<boolean> {
    // A database in memory answers without leaving the event loop to anyone else.
    await this.#engine.yieldToEventLoop();
    this.#touched = new Map();
    const { entries, exhausted } = await this.#engine.handle.read({ gte: this.#cursor, lt: this.#end });
    return this.#engine.pipeline.betweenBatches(() => {
      const last = entries.at(-1);
      const until = exhausted || last === undefined ? this.#end : successor(last[0]);
      const changed = [...this.#touched.values()].filter((change) => {
        return compareBytes(this.#position(change), until) < 0;
      });
      for (const entry of entries) {
        const key = decodeUtf8(this.#userKey(entry[0]));
        if (key === undefined || !this.#touched.has(key)) this.#visitor.stored(key, entry);
      }
      for (const change of changed) this.#visitor.changed(change);
      this.#cursor = until;
      return until !== this.#end;
    });
  }

  /** Stops reporting. */
  close(): void {
    this.#engine.listeners.delete(this.#listener);
  }

  #position(change: Change): Uint8Array {
    const keyBytes = encodeUtf8(change.key);
    return this.#space === "record" ? recordKey(keyBytes) : indexKey(change.bucket, keyBytes);
  }

  #userKey(databaseKey: Uint8Array): Uint8Array {
    return this.#space === "record" ? userKey(databaseKey) : parseIndexKey(databaseKey).key;
  }
}
