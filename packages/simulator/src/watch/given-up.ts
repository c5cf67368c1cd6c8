/** What a replica may give up of a record on a peer's word, what it must not forget otherwise, and what it must not show again. */
import { type Context, covers, holds, type KeyRecord, type Sibling } from "@hearsay/core";
import type { Violation } from "../invariants/invariant.ts";
import {
  describeVersion,
  describeWrite,
  isRevived,
  isSuperseded,
  type WriteLedger,
  wasGivenUpWrongly,
} from "../invariants/ledger.ts";
import { forgottenBy, isShownAt } from "../invariants/record-checks.ts";

/**
 * What a record has to go on covering when siblings were dropped of it as ghosts: all but these, of which each is the last that is
 * covered of its node (docs/decisions/0014).
 * @param gone newest first
 */
export function withoutRefused(context: Context, gone: readonly Sibling[]): Context {
  const left = new Map(context);
  for (const { version } of gone) {
    if (left.get(version.node) === version.time) left.set(version.node, version.time - 1);
  }
  return left;
}

/** What a replica has known of a key so far. */
export interface Past {
  readonly machine: string;
  readonly nowMs: number;
  /** Everything it ever held or covered. */
  readonly seen: Context | undefined;
  readonly held: KeyRecord | undefined;
}

/** Whether a replica shows again what it has covered and no longer holds. */
export function comingBack(
  ledger: WriteLedger,
  key: string,
  record: KeyRecord,
  { machine, nowMs, seen, held }: Past,
): Violation | undefined {
  if (seen === undefined) return undefined;
  for (const sibling of record.siblings) {
    const { version } = sibling;
    // A deletion that comes back shows nothing.
    if (!isShownAt(sibling, nowMs)) continue;
    if (!covers(seen, version) || (held !== undefined && holds(held, version))) continue;
    const write = ledger.find(version);
    // What nothing has replaced was dropped as a ghost, and another replica, at a floor below it, has taken it and brings it back.
    if (write !== undefined && (!isSuperseded(write) || wasGivenUpWrongly(write) || isRevived(write)))
      continue;
    const what = write === undefined ? key : describeWrite(write);
    const detail = `${machine} had done with ${what} and shows it again`;
    return { invariant: "resurrection", detail };
  }
  return undefined;
}

export function regression(
  machine: string,
  key: string,
  older: KeyRecord,
  newer: KeyRecord,
): Violation | undefined {
  const forgotten = forgottenBy(newer, older);
  if (forgotten === undefined) return undefined;
  const detail = `${machine} had covered ${describeVersion(forgotten)} for ${key} and does no more`;
  return { invariant: "regression", detail };
}
