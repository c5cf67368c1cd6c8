/** What watchers are told of a key. */
import type { WatchDelete } from "@hearsay/api";
import { formatVersion, isLive, type KeyRecord, sameVersion, type Version, winner } from "@hearsay/core";
import type { RecordStore } from "@hearsay/node";
import { type CommittedChange, StoreError } from "@hearsay/store";
import { listItem } from "../http/render.ts";

/** A change beside its key and its values, by estimate. */
const CHANGE_BYTES = 500;
/** What a unit of the key's text takes at most. */
const UNIT_BYTES = 2;

export class WatchedChange {
  readonly key: string;
  /** The winner's; of a key that is gone for good the one it had. */
  readonly version: Version;
  readonly kind: "put" | "delete";
  readonly #record: KeyRecord | undefined;
  readonly #expired: boolean;
  readonly #conflicts: number;
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
    this.#conflicts = (record?.siblings.length ?? 1) - 1;
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

  /** Of memory, by estimate. */
  get bytes(): number {
    let bytes = CHANGE_BYTES + UNIT_BYTES * this.key.length;
    for (const sibling of this.#record?.siblings ?? []) {
      if (sibling.kind === "value") bytes += sibling.bytes.length;
    }
    return bytes;
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
    return {
      key: this.key,
      version: formatVersion(this.version),
      expired: this.#expired,
      ...(this.#conflicts > 0 ? { conflicts: this.#conflicts } : {}),
    } satisfies WatchDelete;
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
 * The version that readers of a key have to be told of after a commit; undefined when its winner is the same. A deletion
 * is told also where the key was not known: a reader that comes from another node may know it. The purge of what was
 * deleted tells nothing.
 */
export function toldVersion({ before, after }: CommittedChange, nowMs: number): Version | undefined {
  const earlier = before.kind === "record" ? before.summary.versions[0] : undefined;
  if (after.kind !== "record") {
    if (before.kind !== "record" || after.kind === "damaged") return undefined;
    return isLive(winner(before.record), nowMs) ? earlier : undefined;
  }
  const later = after.summary.versions[0];
  return earlier !== undefined && later !== undefined && sameVersion(earlier, later) ? undefined : later;
}

/** The change itself, which takes the record: only for a key that somebody watches. */
export function changeOf({ key, after }: CommittedChange, version: Version, nowMs: number): WatchedChange {
  return after.kind === "record"
    ? WatchedChange.of(key, after.record, nowMs)
    : WatchedChange.gone(key, version, nowMs);
}
