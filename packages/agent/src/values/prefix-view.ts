/**
 * The values of one prefix, as whole sets only.
 *
 * Invariant: `values` is empty (`unknown`), the last good copy, or a set that a node told as whole and the changes
 * since. A backlog gathers in `#aside` and takes its place with `synced` in one step, so nobody ever sees half of it:
 * a node that has just started and holds three of a thousand keys empties no file.
 */
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
    this.#whole = true;
    this.#state = "stale";
  }

  /** Takes what the source told. Returns whether `values` changed. */
  take(event: SourceEvent): boolean {
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
    const isFirst = !this.#whole;
    this.#state = "synced";
    this.#whole = true;
    this.#downReason = undefined;
    if (this.#aside === undefined) return false;
    const changed = isFirst || !this.#shown.hasSameValues(this.#aside);
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
