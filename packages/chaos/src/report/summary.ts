/** The numbers of a run. */
import type { Findings } from "../check/check.ts";
import type { ViolationCode } from "../check/violation.ts";
import type { OperationEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";

export interface FaultCount {
  readonly kind: string;
  readonly done: number;
  readonly skipped: number;
}

interface Answers {
  readonly answered: number;
  readonly refused: number;
}

export interface Summary {
  readonly seed: number;
  readonly seconds: number;
  /** Somebody has ended the run before its end. */
  readonly interrupted: boolean;
  readonly writes: { readonly acknowledged: number; readonly unknown: number; readonly refused: number };
  readonly reads: Answers;
  readonly receipts: Answers;
  readonly keys: number;
  readonly faults: readonly FaultCount[];
  /** SIGKILLs of nodes. */
  readonly kills: number;
  readonly pausesPastSuspicion: number;
  /** From the end of the faults until the last node had settled; null when one did not in time. */
  readonly settledMs: number | null;
  /** Acknowledged writes looked for at the end, times nodes. */
  readonly looked: number;
  /** Of them, those excused by writes of unknown outcome alone. */
  readonly uncertain: number;
  /** Of them, those excused because the one node known to hold them had lost its data. */
  readonly destroyed: number;
  /** By that node's id: how many writes those are. */
  readonly destroyedWith: Readonly<Record<string, number>>;
  readonly violations: Readonly<Partial<Record<ViolationCode, number>>>;
}

export function summarize(history: History, { violations, counts }: Findings): Summary {
  const { begin, writes, reads, receipts, faults, settled, endMs, isInterrupted } = history;
  const count = (outcome: string): number => writes.filter((write) => write.outcome === outcome).length;
  const times = settled.map(({ afterMs }) => afterMs).filter((ms) => ms !== null);
  const byCode: Partial<Record<ViolationCode, number>> = {};
  for (const { code } of violations) byCode[code] = (byCode[code] ?? 0) + 1;
  return {
    seed: begin?.seed ?? 0,
    seconds: Math.round(endMs / 1000),
    interrupted: isInterrupted,
    writes: { acknowledged: count("ok"), unknown: count("unknown"), refused: count("none") },
    reads: answersOf(reads),
    receipts: answersOf(receipts),
    keys: new Set(writes.map(({ key }) => key)).size,
    faults: countFaults(history),
    kills: faults.reduce((sum, { kills = 0 }) => sum + kills, 0),
    pausesPastSuspicion: faults.filter(({ pastSuspicion }) => pastSuspicion === true).length,
    settledMs: settled.length > 0 && times.length === settled.length ? Math.round(Math.max(...times)) : null,
    ...counts,
    violations: byCode,
  };
}

function answersOf(operations: readonly OperationEvent[]): Answers {
  const answered = operations.filter(({ outcome }) => outcome === "ok").length;
  return { answered, refused: operations.length - answered };
}

/** What came of it, in one sentence. */
export function headlineOf({ interrupted, seconds, violations, destroyedWith }: Summary): string {
  if (interrupted) return `Interrupted after ${seconds} s: nothing can be said to have held.`;
  const broken = Object.values(violations).reduce((sum, count) => sum + count, 0);
  if (broken > 0) return `${broken} ${broken === 1 ? "violation" : "violations"}.`;
  const lost = Object.entries(destroyedWith);
  if (lost.length === 0) return "Everything held.";
  const count = lost.reduce((sum, [, writes]) => sum + writes, 0);
  const whose = lost.map(([id, writes]) => `${writes} of ${id}`).join(", ");
  const what = count === 1 ? "1 write that was" : `${count} writes that were`;
  return `Everything held but ${what} lost with the only directory known to have had them: ${whose}.`;
}

function countFaults({ faults }: History): FaultCount[] {
  const kinds = [...new Set(faults.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const of = faults.filter((fault) => fault.kind === kind);
    const skipped = of.filter((fault) => fault.skipped !== undefined).length;
    return { kind, done: of.length - skipped, skipped };
  });
}
