/**
 * The values of one prefix, as whole sets only.
 *
 * Invariant: `values` is empty (`unknown`), the last good copy, or a set that a node told as whole and the changes
 * since. A backlog gathers in `#aside` and takes its place with `synced` in one step, so nobody ever sees half of it:
 * a node that has just started and holds three of a thousand keys empties no file.
 */
import { createHash } from "node:crypto";
import { KeySet } from "./key-set.ts";
import type { SourceEvent } from "./source.ts";

export type ViewState = "unknown" | "syncing" | "synced" | "stale";

export type Values = ReadonlyMap<string, Uint8Array>;

export interface ViewLimits {
  readonly maxKeys: number;
  readonly maxBytes: number;
}

/** More than configuration has, and a bound on the agent's memory. */
const VIEW_LIMITS: ViewLimits = { maxKeys: 100_000, maxBytes: 256 * 1024 * 1024 };

export class PrefixView {
  readonly prefix: string;
  readonly #limits: ViewLimits;
  #shown: KeySet = new KeySet();
  #aside: KeySet | undefined = new KeySet();
  #state: ViewState = "unknown";
  #whole = false;
  #isCopy = false;
  #sha256: string | undefined;
  #downReason: string | undefined;
  #beyond: string | undefined;

  constructor(prefix: string, limits: ViewLimits = VIEW_LIMITS) {
    this.prefix = prefix;
    this.#limits = limits;
  }

  get state(): ViewState {
    return this.#state;
  }

  get values(): Values {
    return this.#shown.values;
  }

  /** Whether `values` is a whole set, old or new. */
  get whole(): boolean {
    return this.#whole;
  }

  /** Whether `values` is the last good copy from disk. */
  get isCopy(): boolean {
    return this.#isCopy;
  }

  /** Of `values`, hexadecimal: the same for the same keys and values, in whatever order they came. */
  get sha256(): string {
    this.#sha256 ??= sha256Of(this.#shown.values);
    return this.#sha256;
  }

  /** Why no node answers, while none does. */
  get downReason(): string | undefined {
    return this.#downReason;
  }

  /** The bound that the prefix went beyond; from then on it stays as it was. */
  get beyond(): string | undefined {
    return this.#beyond;
  }

  /** Begins with what was kept on disk. */
  startFrom(values: Values): void {
    this.#shown = KeySet.of(values);
    this.#sha256 = undefined;
    this.#isCopy = true;
    this.#whole = true;
    this.#state = "stale";
  }

  /** Takes what the source told. Returns whether `values` changed, or a node confirmed those of the copy. */
  take(event: SourceEvent): boolean {
    const changed = this.#take(event);
    if (changed) this.#sha256 = undefined;
    return changed;
  }

  #take(event: SourceEvent): boolean {
    if (this.#beyond !== undefined) return false;
    switch (event.kind) {
      case "put":
        return this.#put(event.key, event.version, event.value);
      case "delete":
        if (this.#aside === undefined) return this.#shown.delete(event.key, event.version);
        this.#aside.delete(event.key, event.version);
        return false;
      case "reset":
        this.#aside = new KeySet();
        if (this.#state === "synced") this.#state = "syncing";
        return false;
      case "down":
        this.#downReason = event.reason;
        if (this.#whole) this.#state = "stale";
        // What comes next is a difference to what was told so far.
        this.#aside ??= new KeySet(this.#shown);
        return false;
      case "synced":
        return this.#synced();
    }
  }

  #put(key: string, version: string, value: Uint8Array): boolean {
    const target = this.#aside ?? this.#shown;
    if (this.#isTooMuch(target, key, value)) return false;
    const changed = target.put(key, version, value);
    if (target === this.#shown) return changed;
    if (this.#whole) this.#state = "syncing";
    return false;
  }

  #synced(): boolean {
    // What was made of a copy is made again: it may have been kept as it was, and shall no longer count as stale.
    const isNews = !this.#whole || this.#isCopy;
    this.#isCopy = false;
    this.#state = "synced";
    this.#whole = true;
    this.#downReason = undefined;
    if (this.#aside === undefined) return false;
    const changed = isNews || !this.#shown.hasSameValues(this.#aside);
    this.#shown = this.#aside;
    this.#aside = undefined;
    return changed;
  }

  #isTooMuch(target: KeySet, key: string, value: Uint8Array): boolean {
    const { maxKeys, maxBytes } = this.#limits;
    const keys = target.values.size + (target.values.has(key) ? 0 : 1);
    if (keys <= maxKeys && target.bytes + target.gain(key, value) <= maxBytes) return false;
    this.#beyond = keys > maxKeys ? `${maxKeys} keys` : `${maxBytes} bytes`;
    this.#aside = undefined;
    if (this.#whole) this.#state = "stale";
    return true;
  }
}

function sha256Of(values: Values): string {
  const hash = createHash("sha256");
  for (const key of [...values.keys()].sort()) {
    const value = values.get(key) ?? new Uint8Array(0);
    hash.update(JSON.stringify([key, value.length])).update(value);
  }
  return hash.digest("hex");
}
