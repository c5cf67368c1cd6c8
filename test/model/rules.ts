/**
 * The rules of docs/protocol.md, *Completeness*, each of which the model can be run without. `caughtBy` lists seeds whose
 * run, without the rule, breaks the invariant named beside them; with the rule they hold.
 */
import type { Invariant } from "./checks.ts";

interface Rule {
  readonly name: string;
  readonly says: string;
  readonly caughtBy: Readonly<Partial<Record<Invariant, readonly number[]>>>;
}

export const RULES = [
  {
    name: "time-below-uncommitted",
    says: "the time offered in an exchange lies below every own write that is not committed",
    caughtBy: { vector_untrue: [3, 4, 6, 11], watermark_untrue: [89, 112] },
  },
  {
    name: "claims-after-exchange",
    says: "the vector moves at the end of an exchange, not when it is compared",
    caughtBy: { vector_untrue: [1, 2, 3, 4] },
  },
  {
    name: "claims-after-commit",
    says: "the vector moves once everything the exchange brought is committed",
    caughtBy: { vector_untrue: [1, 2, 3, 4] },
  },
  {
    name: "nothing-left-out",
    says: "an exchange also sends what is in flight as mail",
    caughtBy: { vector_untrue: [3, 4, 9, 13] },
  },
  {
    name: "all-or-no-claim",
    says: "an exchange that had to leave out one record claims nothing",
    caughtBy: { vector_untrue: [12, 75, 114, 126] },
  },
  {
    name: "exchange-of-two-ids",
    says: "an exchange ends when another incarnation answers for the one that was asked",
    caughtBy: { vector_untrue: [23, 59, 95, 131] },
  },
  {
    name: "tables-before-roots",
    says: "member tables are merged before roots are compared",
    caughtBy: { watermark_untrue: [15, 51, 87, 123] },
  },
  {
    name: "retired-are-refused",
    says: "messages from retired ids are refused",
    caughtBy: { watermark_untrue: [17, 53, 89, 125] },
  },
  {
    name: "settled-first",
    says: "W is taken only where min C reaches every S",
    caughtBy: { watermark_untrue: [19, 55, 91, 127] },
  },
  {
    name: "settled-after-commit",
    says: "S is read after everything accepted from a retired id is committed",
    caughtBy: { watermark_untrue: [21, 57, 93, 129] },
  },
  {
    name: "unit-as-one",
    says: "C and S travel and are replaced together",
    caughtBy: { watermark_untrue: [19, 55, 91, 127] },
  },
  {
    name: "stopped-is-counted",
    says: "a node that stops stays a counted member",
    caughtBy: { watermark_untrue: [43, 504, 552], purged_too_early: [235] },
  },
  {
    name: "joiner-waits",
    says: "a joiner takes writes once a majority has recorded it durably",
    caughtBy: { watermark_untrue: [11, 47, 83, 119] },
  },
  {
    name: "joiner-takes-clocks",
    says: "a joiner takes over the clocks of those who recorded it",
    caughtBy: { watermark_untrue: [13, 49, 85, 121] },
  },
  {
    name: "announce-to-addresses",
    says: "a new incarnation announces itself to addresses, not to ids",
    caughtBy: { diverged: [66, 471], watermark_stuck: [314, 658] },
  },
  {
    name: "purge-at-the-floor",
    says: "nothing is purged by age alone",
    caughtBy: { purged_too_early: [1, 2, 3, 4], vector_untrue: [36, 53] },
  },
  {
    name: "purge-whole-records",
    says: "a tombstone beside a live sibling stays",
    caughtBy: { purged_too_early: [4, 8, 10, 12] },
  },
  {
    name: "contexts-stay-whole",
    says: "contexts go with the whole record only",
    caughtBy: { false_alarm: [19, 307, 487], seen_again: [140, 221] },
  },
  {
    name: "retention-above-drift",
    says: "the retention is not shorter than clocks may differ",
    caughtBy: { purged_too_early: [25, 61, 97, 133] },
  },
  {
    name: "ghosts-kept-out",
    says: "a complete node keeps out what it does not know at or below the floor",
    caughtBy: { seen_again: [1, 3, 7, 37] },
  },
  {
    name: "ghosts-are-replaced",
    says: "who is told to drop a version gets what is right in its place with that, and stores both at once",
    caughtBy: { vector_untrue: [35, 71, 107, 143] },
  },
  {
    name: "completeness",
    says: "only a node that knows that it holds everything at or below the floor judges",
    caughtBy: { false_alarm: [1, 3, 11, 31] },
  },
  {
    name: "complete-by-exchange",
    says: "completeness is got back by an exchange with a complete node, not by the vector alone",
    caughtBy: { false_alarm: [3, 39, 75, 111] },
  },
  {
    name: "complete-peers-word",
    says: "what a complete node at the same floor holds is taken, with an alarm",
    caughtBy: { ghost_was_alive: [5, 41, 77, 113] },
  },
  {
    name: "judged-at-one-floor",
    says: "versions are judged only where both sides stand at the same floor",
    caughtBy: { false_alarm: [7, 43, 79, 115] },
  },
  {
    name: "mail-judges-nothing",
    says: "mail brings nothing unknown at or below the floor",
    caughtBy: { seen_again: [9, 45, 81, 117] },
  },
  {
    name: "doubt-after-loss",
    says: "a node that may have lost commits comes back as another",
    caughtBy: { vector_untrue: [10, 66, 146], watermark_untrue: [175, 338] },
  },
  {
    name: "doubt-after-damage",
    says: "a damaged record sends the node into doubt",
    caughtBy: { vector_untrue: [29, 65, 101, 137], watermark_untrue: [27, 63] },
  },
  {
    name: "doubt-after-restore",
    says: "an old copy of a directory comes back as another node",
    caughtBy: { vector_untrue: [23, 59, 95, 131], watermark_untrue: [1, 181] },
  },
  {
    name: "doubt-empties-vector",
    says: "a node in doubt claims nothing of what it held",
    caughtBy: { vector_untrue: [29, 65, 101, 137] },
  },
  {
    name: "doubt-ends-exchanges",
    says: "exchanges begun before a doubt claim nothing",
    caughtBy: { vector_untrue: [122, 402] },
  },
  {
    name: "doubt-retires-old-id",
    says: "a node in doubt retires its old id",
    caughtBy: { watermark_stuck: [1, 2, 3, 7] },
  },
  {
    name: "confirmed-by-one-who-stays",
    says: "a node leaves after an exchange with one that is not leaving itself",
    caughtBy: { watermark_untrue: [67, 139, 211, 247] },
  },
  {
    name: "leave-after-exchange",
    says: "a node leaves after a completed exchange",
    caughtBy: { watermark_untrue: [15, 25, 65, 169], lost_write: [599, 1191] },
  },
  {
    name: "retirement-restarts-leaving",
    says: "a retirement adopted while a node leaves makes it begin again",
    caughtBy: { watermark_untrue: [33, 69, 105, 141] },
  },
  {
    name: "clients-dot",
    says: "a writer's context names its own write as a dot",
    caughtBy: { overwritten_unseen: [1, 5, 8, 13], watermark_untrue: [194, 226] },
  },
  {
    name: "context-observed",
    says: "a version exceeds everything in its context",
    caughtBy: { version_below_context: [5, 138, 148, 293] },
  },
] as const satisfies readonly Rule[];

export type RuleName = (typeof RULES)[number]["name"];
