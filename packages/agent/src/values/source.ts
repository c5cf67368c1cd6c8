/** Where values come from. The real one is `ClientSource`; tests hand in their own. */

import type { Reach } from "./cut-off.ts";

export type SourceEvent =
  /** Versions of a key sort as texts; an older one than was seen already may come from another node. */
  | { readonly kind: "put"; readonly key: string; readonly version: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: string; readonly version: string }
  /** The backlog is done: what has been told is the whole prefix as one node holds it. */
  | { readonly kind: "synced" }
  /** What was told before no longer counts; the whole prefix follows, up to `synced`. */
  | { readonly kind: "reset" }
  /** No node answers, or the one that does has not told all in time. It goes on by itself: with a difference or with `reset`, up to `synced`. */
  | { readonly kind: "down"; readonly reason: string };

export interface Source {
  /** How many members the node that tells the values reaches; undefined: all. Fails when none tells, or it does not answer. */
  reach(signal: AbortSignal): Promise<Reach | undefined>;

  /** Tells the values of a prefix and their changes, deletes included, until the signal ends it. Fails only for good. */
  follow(prefix: string, onEvent: (event: SourceEvent) => void, signal: AbortSignal): Promise<void>;
}
