/** The steps scripted beginnings are made of. */
import type { Action } from "./actions.ts";

export interface Scenario {
  readonly name: string;
  readonly retentionMs: number;
  readonly actions: readonly Action[];
}

type Write = Extract<Action, { readonly do: "write" }>;

export const put = (at: string, key: string, mailTo: readonly string[] = []): Write => ({
  do: "write",
  at,
  key,
  ttlMs: null,
  client: undefined,
  mailTo,
});
export const remove = (at: string, key: string): Action => ({ ...put(at, key), ttlMs: undefined });
export const commit = (at: string): Action => ({ do: "commit", at, count: 9 });
export const settle = (rounds: number): Action => ({ do: "settle", rounds });
export const advance = (ms: number): Action => ({ do: "advance", ms });
export const skew = (at: string, ms: number): Action => ({ do: "skew", at, ms });
export const cut = (at: string, to: string): Action => ({ do: "cut", at, to });
export const next: Action = { do: "deliver", index: 0 };
export const quiesce: Action = { do: "quiesce" };
export const mend: Action = { do: "mend" };
export const release: Action = { do: "release" };
export const exchange = (at: string, to: string): Action[] => [{ do: "exchange", at, to }, quiesce];
export const gossip = (at: string, to: string): Action[] => [{ do: "gossip", at, to }, quiesce];

/** Long enough for everything written so far to fall below the floor, and for the floor to be known. */
export const age: readonly Action[] = [advance(15), settle(3)];
