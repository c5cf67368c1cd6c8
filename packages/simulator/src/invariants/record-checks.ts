/** What must hold of any record that anybody holds or is shown at any time, given the ledger of all writes. */
import {
  clientContextCovers,
  covers,
  decodeUtf8,
  holds,
  type KeyRecord,
  type Sibling,
  sameVersion,
  type Version,
} from "@hearsay/core";
import type { Violation } from "./invariant.ts";
import {
  CONTENT_TYPE,
  describeVersion,
  describeWrite,
  isSuperseded,
  type Write,
  type WriteLedger,
} from "./ledger.ts";

/** Who holds a record. */
export interface Holder {
  /** Its wall clock, for what expires. */
  readonly nowMs: number;
  /**
   * Whether it claims to hold everything up to its floor. One that does not may show what was deleted and purged while it
   * was away, and says so; when nothing is known, false.
   */
  readonly complete: boolean;
}

export function checkRecord(
  ledger: WriteLedger,
  key: string,
  record: KeyRecord,
  { nowMs, complete }: Holder,
): Violation | undefined {
  return (
    checkSiblings(ledger, key, record) ??
    checkNothingAgain(ledger, record, { nowMs, complete }) ??
    checkNothingDropped(ledger, key, record, nowMs)
  );
}

function checkSiblings(ledger: WriteLedger, key: string, record: KeyRecord): Violation | undefined {
  let previous: Sibling | undefined;
  for (const sibling of record.siblings) {
    const { version } = sibling;
    const write = ledger.find(version);
    if (write === undefined || write.key !== key) {
      return {
        invariant: "invention",
        detail: `${key} has ${describeVersion(version)}, which nobody wrote`,
      };
    }
    if (write.outcome === "failed") {
      return { invariant: "invention", detail: `${describeWrite(write)} is there although it failed` };
    }
    if (!isAsWritten(sibling, write)) {
      return { invariant: "checksum", detail: `${describeWrite(write)} is not what was written` };
    }
    if (previous !== undefined && previous.version.time < version.time) {
      return { invariant: "siblings", detail: `the siblings of ${key} are not sorted` };
    }
    if (!covers(record.context, version)) {
      return {
        invariant: "siblings",
        detail: `the context of ${key} does not cover ${describeWrite(write)}`,
      };
    }
    previous = sibling;
  }
  return undefined;
}

function isAsWritten(sibling: Sibling, write: Write): boolean {
  if (sibling.kind === "tombstone") return write.text === undefined;
  if (sibling.contentType !== CONTENT_TYPE || sibling.expiresAtMs !== write.expiresAtMs) return false;
  return decodeUtf8(sibling.bytes) === write.text;
}

/** Whether a sibling is a value at that time. Not by the product's word, which would then be compared with itself. */
export function isShownAt(sibling: Sibling, nowMs: number): boolean {
  return sibling.kind === "value" && nowMs < (sibling.expiresAtMs ?? Number.POSITIVE_INFINITY);
}

/** A replica that has heard of a write does not show what that write covers. */
function checkNothingAgain(
  ledger: WriteLedger,
  record: KeyRecord,
  { nowMs, complete }: Holder,
): Violation | undefined {
  for (const sibling of record.siblings) {
    const { version } = sibling;
    const write = ledger.find(version);
    // A deletion that was purged and comes back shows nothing (docs/decisions/0002).
    const isShown = complete && isShownAt(sibling, nowMs);
    const later = write?.superseders.find(
      // A version that never came about is covered all the same by a later one of its node.
      (over) =>
        over.outcome === "acknowledged" &&
        !over.isExcused &&
        covers(record.context, over.version) &&
        (holds(record, over.version) || (isShown && !over.isUndone && !isKnownByName(over, version, record))),
    );
    if (write === undefined || later === undefined) continue;
    const invariant = holds(record, later.version) ? "siblings" : "resurrection";
    const detail = `${describeWrite(write)} is shown beside ${describeWrite(later)}, which covers it`;
    return { invariant, detail };
  }
  return undefined;
}

/**
 * Whether all that the record need have of a write comes from one over damage, which knew its version and not what it had covered.
 * Whoever has seen more has the whole context, and a context never shrinks.
 */
function isKnownByName(later: Write, replaced: Version, record: KeyRecord): boolean {
  return later.superseders.some(
    ({ isOverDamage, covered, version }) =>
      isOverDamage === true && covers(record.context, version) && !clientContextCovers(covered, replaced),
  );
}

/** What a record covers and does not hold, a later write has covered. */
function checkNothingDropped(
  ledger: WriteLedger,
  key: string,
  record: KeyRecord,
  nowMs: number,
): Violation | undefined {
  for (const write of ledger.standing(key)) {
    if (write.outcome !== "acknowledged" || isSuperseded(write)) continue;
    if (write.expiresAtMs !== null && write.expiresAtMs <= nowMs + EXPIRY_SLACK_MS) continue;
    if (!covers(record.context, write.version) || holds(record, write.version)) continue;
    if (write.isForgotten && isUnderLater(write, record)) continue;
    return { invariant: "siblings", detail: `${describeWrite(write)} is gone, and no write covers it` };
  }
  return undefined;
}

/** What a record holds, by its versions. */
export function describeRecord({ siblings }: KeyRecord): string {
  const each = siblings.map(
    ({ kind, version }) => `${kind === "tombstone" ? "the deletion " : ""}at ${describeVersion(version)}`,
  );
  return each.join(" and ");
}

/** Whether two records are one, contexts included. */
export function isSame(a: KeyRecord | undefined, b: KeyRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.context.size !== b.context.size || !holdSame(a, b)) return false;
  for (const [node, time] of a.context) if (b.context.get(node) !== time) return false;
  return true;
}

export function holdSame(a: KeyRecord, b: KeyRecord): boolean {
  if (a.siblings.length !== b.siblings.length) return false;
  return a.siblings.every(({ version }, i) => {
    const other = b.siblings[i];
    return other !== undefined && sameVersion(version, other.version);
  });
}

/** What the older record covers and the newer does not. */
export function forgottenBy(newer: KeyRecord, older: KeyRecord): Version | undefined {
  for (const [node, time] of older.context) {
    if (!covers(newer.context, { node, time })) return { node, time };
  }
  return undefined;
}

/**
 * Whether a record cannot help covering a write, because it covers a later one of its node: what was refused as a ghost by who has
 * forgotten it goes with that wherever the record comes (docs/decisions/0014).
 */
function isUnderLater({ version: { node, time } }: Write, { context }: KeyRecord): boolean {
  return (context.get(node) ?? -1) > time;
}

/** By how much clocks that decide about an expiry may differ. */
const EXPIRY_SLACK_MS = 30_000;
