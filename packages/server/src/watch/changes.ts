/** What watchers are told of a key. */
import type { WatchDelete } from "@hearsay/api";
import { formatVersion, isLive, type KeyRecord, sameVersion, type Version, winner } from "@hearsay/core";
import type { RecordStore } from "@hearsay/node";
import { type CommittedChange, type KeyState, StoreError } from "@hearsay/store";
import { listItem } from "../http/render.ts";

export class WatchedChange {
  readonly key: string;
  /** The winner's; of a key that is gone for good the one it had. */
  readonly version: Version;
  readonly kind: "put" | "delete";
  readonly #record: KeyRecord | undefined;
  readonly #expired: boolean;
  readonly #nowMs: number;
  /** Rendered once for all readers. */
  readonly #data: [whole: string | undefined, keyOnly: string | undefined] = [undefined, undefined];

  private constructor(key: string, version: Version, record: KeyRecord | undefined, nowMs: number) {
    const value = record === undefined ? undefined : winner(record);
    const isValue = value?.kind === "value";
    const isPut = value !== undefined && isLive(value, nowMs);
    this.key = key;
    this.version = version;
    this.kind = isPut ? "put" : "delete";
    this.#record = isPut ? record : undefined;
    this.#expired = !isPut && isValue;
    this.#nowMs = nowMs;
  }

  /** The key as its record has it. */
  static of(key: string, record: KeyRecord, nowMs: number): WatchedChange {
    return new WatchedChange(key, winner(record).version, record, nowMs);
  }

  /** The key has no record any more. */
  static gone(key: string, version: Version, nowMs: number): WatchedChange {
    return new WatchedChange(key, version, undefined, nowMs);
  }

  /** The `data` of the event. */
  data(keysOnly: boolean): string {
    const at = keysOnly ? 1 : 0;
    this.#data[at] ??= JSON.stringify(this.#render(keysOnly));
    return this.#data[at];
  }

  #render(keysOnly: boolean): unknown {
    if (this.#record !== undefined) {
      return listItem(this.key, this.#record, { nowMs: this.#nowMs, values: !keysOnly });
    }
    const version = formatVersion(this.version);
    return { key: this.key, version, expired: this.#expired } satisfies WatchDelete;
  }
}

/** What is stored of a key that watchers were told of; a damaged record is told of when it has been healed. */
export function storedState(store: Pick<RecordStore, "get">, key: string): KeyRecord | "none" | "damaged" {
  try {
    return store.get(key) ?? "none";
  } catch (error) {
    if (error instanceof StoreError && error.fault.code === "record_damaged") return "damaged";
    throw error;
  }
}

/**
 * What a commit changes for readers of a key; undefined when its winner is the same. A deletion is told also where the
 * key was not known: a reader that comes from another node may know it. The purge of what was deleted tells nothing.
 */
export function changeOf({ key, before, after }: CommittedChange, nowMs: number): WatchedChange | undefined {
  const earlier = recordOf(before);
  const later = recordOf(after);
  if (later === undefined) {
    if (earlier === undefined || after.kind === "damaged") return undefined;
    const value = winner(earlier);
    return isLive(value, nowMs) ? WatchedChange.gone(key, value.version, nowMs) : undefined;
  }
  if (earlier !== undefined && sameVersion(winner(earlier).version, winner(later).version)) return undefined;
  return WatchedChange.of(key, later, nowMs);
}

function recordOf(state: KeyState): KeyRecord | undefined {
  return state.kind === "record" ? state.record : undefined;
}
