/** What must hold in the end, when faults have stopped and replicas have had their time: from the ledger and final dumps. */
import { covers, type HlcTime, type KeyRecord, mergeRecords } from "@hearsay/core";
import type { Violation } from "./invariant.ts";
import { describeWrite, purgeTime, type Write, type WriteLedger } from "./ledger.ts";
import { checkRecord, isSame, isShownAt } from "./record-checks.ts";

/** One replica in the end. */
export interface FinalState {
  readonly replica: string;
  readonly records: ReadonlyMap<string, KeyRecord>;
  /** It has purged up to here at most. */
  readonly floor: HlcTime;
  readonly root: string;
  /** Its wall clock. */
  readonly nowMs: number;
}

export function checkFinalStates(ledger: WriteLedger, states: readonly FinalState[]): Violation[] {
  const found: Violation[] = [];
  for (const state of states) {
    for (const [key, record] of state.records) {
      const violation =
        checkRecord(ledger, key, record, { nowMs: state.nowMs, complete: true }) ??
        checkNothingBack(ledger, state, record);
      if (violation !== undefined) found.push(at(state, violation));
    }
    for (const write of ledger.all()) {
      if (write.outcome !== "acknowledged" || write.isExcused || write.isDropped) continue;
      if (isAccountedFor(write, state)) continue;
      found.push(at(state, { invariant: "durability", detail: `${describeWrite(write)} is lost` }));
    }
  }
  return [...found, ...checkAgreement(states)];
}

/** Same records, same roots. */
export function checkAgreement(states: readonly FinalState[]): Violation[] {
  const [first, ...others] = states;
  const found: Violation[] = [];
  for (const other of first === undefined ? [] : others) {
    const alike = canonicalText(first?.records) === canonicalText(other.records);
    const names = `${first?.replica} and ${other.replica}`;
    if (!alike) found.push({ invariant: "convergence", detail: `${names} hold different records` });
    if (alike !== (first?.root === other.root)) {
      found.push({
        invariant: "root",
        detail: `${names} hold ${alike ? "the same under different roots" : "different records under one root"}`,
      });
    }
  }
  return found;
}

/** The laws of merging, over two records of one key that replicas really held, contexts included. */
export function checkMergeLaws(key: string, a: KeyRecord, b: KeyRecord): Violation | undefined {
  const merged = mergeRecords(a, b);
  const law = !isSame(merged, mergeRecords(b, a))
    ? "commutative"
    : !isSame(merged, mergeRecords(merged, b)) || !isSame(a, mergeRecords(a, a))
      ? "idempotent"
      : !isSame(mergeRecords(mergeRecords(a, b), a), mergeRecords(a, mergeRecords(b, a)))
        ? "associative"
        : undefined;
  return law === undefined
    ? undefined
    : { invariant: "merge", detail: `merging two records of ${key} is not ${law}` };
}

/** A text that two replicas share exactly when they hold the same versions; contexts are not compared. */
export function canonicalText(records: ReadonlyMap<string, KeyRecord> | undefined): string {
  return [...(records ?? [])]
    .map(([key, record]) => `${key}=${recordText(record)}`)
    .sort()
    .join("\n");
}

function recordText({ siblings }: KeyRecord): string {
  return siblings.map(({ version }) => `${version.time} ${version.node}`).join(",");
}

function at({ replica }: FinalState, { invariant, detail }: Violation): Violation {
  return { invariant, detail: `${replica}: ${detail}` };
}

/** Nothing that an acknowledged write covers is there, whether or not the replica remembers that write. */
function checkNothingBack(ledger: WriteLedger, state: FinalState, record: KeyRecord): Violation | undefined {
  for (const sibling of record.siblings) {
    if (!isShownAt(sibling, state.nowMs)) continue;
    const write = ledger.find(sibling.version);
    const later = write?.superseders.find(
      ({ outcome, isExcused, isForgotten, isUndone }) =>
        outcome === "acknowledged" && !isExcused && !isForgotten && !isUndone,
    );
    if (write === undefined || later === undefined) continue;
    return {
      invariant: "resurrection",
      detail: `${describeWrite(write)} is back after ${describeWrite(later)} on ${state.replica}`,
    };
  }
  return undefined;
}

/** Held, covered, or purged in its time, itself or by what has covered it. */
function isAccountedFor(write: Write, state: FinalState): boolean {
  const record = state.records.get(write.key);
  if (record !== undefined && covers(record.context, write.version)) return true;
  const from = purgeTime(write);
  if (from !== undefined && from <= state.floor) return true;
  // What a lost write had covered went with it.
  return write.superseders.some(
    (later) => later.outcome !== "failed" && (later.isExcused || isAccountedFor(later, state)),
  );
}
