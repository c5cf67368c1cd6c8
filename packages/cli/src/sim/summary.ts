/** What many runs come to: faults fired, invariants checked, violations, speed. */
import {
  type CheckCounts,
  FAULT_KINDS,
  type FaultCounts,
  INVARIANTS,
  type Mode,
  REQUEST_KINDS,
  type RequestCounts,
  type Violation,
} from "@hearsay/simulator";
import type { Printer } from "../printer.ts";
import { quantity } from "../quantity.ts";
import type { SeedRun } from "./jobs.ts";

/** Violations that are kept and shown. */
const SHOWN_MAX = 20;

export interface Failed {
  readonly seed: number;
  readonly violation: Violation;
}

export class Summary {
  readonly fired: FaultCounts = {};
  readonly answered: RequestCounts = {};
  /** What nodes have counted, by the names of their metrics. */
  readonly counted: Record<string, number> = {};
  readonly checks: CheckCounts = {};
  readonly failed: Failed[] = [];
  /** Seeds whose second run went another way. */
  readonly unequal: number[] = [];
  runs = 0;
  compared = 0;
  violations = 0;
  simulatedMs = 0;
  cpuMs = 0;
  writes = 0;

  /** @returns what is kept and shown of it, when an invariant broke */
  add({ report, isSame }: SeedRun): Failed | undefined {
    this.runs += 1;
    this.simulatedMs += report.simulatedMs;
    this.writes += report.writes;
    for (const kind of FAULT_KINDS) this.fired[kind] = (this.fired[kind] ?? 0) + (report.fired[kind] ?? 0);
    for (const kind of REQUEST_KINDS)
      this.answered[kind] = (this.answered[kind] ?? 0) + (report.answered[kind] ?? 0);
    for (const [name, amount] of Object.entries(report.counted))
      this.counted[name] = (this.counted[name] ?? 0) + amount;
    for (const name of invariants) this.checks[name] = (this.checks[name] ?? 0) + (report.checks[name] ?? 0);
    if (isSame !== undefined) this.compared += 1;
    if (isSame === false) this.unequal.push(report.seed);
    if (report.violation === undefined) return undefined;
    this.violations += 1;
    if (this.failed.length >= SHOWN_MAX) return undefined;
    const failed = { seed: report.seed, violation: report.violation };
    this.failed.push(failed);
    return failed;
  }

  /** Simulated seconds for each second of a processor's time, whatever else the machine does. */
  get speed(): number {
    return this.cpuMs === 0 ? 0 : this.simulatedMs / this.cpuMs;
  }

  get kindsFired(): number {
    return FAULT_KINDS.filter((kind) => (this.fired[kind] ?? 0) > 0).length;
  }
}

const invariants = Object.keys(INVARIANTS).filter(
  (name): name is keyof typeof INVARIANTS => name in INVARIANTS,
);

export interface Asked {
  readonly mode: Mode;
  /** How many seeds; more than were run when the command was interrupted. */
  readonly asked: number;
}

export async function printSummary(print: Printer, summary: Summary, { mode, asked }: Asked): Promise<void> {
  const { runs, compared, unequal, speed } = summary;
  const interrupted = runs < asked;
  if (print.json) {
    const { failed, violations, fired, answered, counted, checks, simulatedMs, writes } = summary;
    await print.document({
      mode,
      asked,
      runs,
      interrupted,
      violations,
      failed,
      fired,
      answered,
      counted,
      checks,
      compared,
      unequal,
      simulatedMs,
      writes,
      speed,
    });
    return;
  }
  if (runs > 0) await printTables(print, summary);
  for (const { seed, violation } of summary.failed) {
    await print.line(`seed ${seed} breaks ${violation.invariant}: ${violation.detail}`);
  }
  const hours = (summary.simulatedMs / 3_600_000).toFixed(1);
  await print.line(
    `${quantity(runs, "seed")} in mode ${mode}, ${hours} simulated hours, ${summary.writes} writes, ${quantity(summary.violations, "violation")}; ${summary.kindsFired} kinds of fault fired; ${Math.round(speed)} simulated seconds a second and processor`,
  );
  if (compared > 0) await print.line(`${compared} seeds were run twice, ${unequal.length} went another way`);
  if (interrupted) await print.line(`interrupted: ${runs} of ${quantity(asked, "seed")} were run`);
}

async function printTables(print: Printer, { fired, answered, counted, checks }: Summary): Promise<void> {
  await print.table(
    ["FAULT", "FIRED"],
    FAULT_KINDS.map((kind) => [kind, String(fired[kind] ?? 0)]),
  );
  await print.line("");
  await print.table(
    ["REQUEST", "ANSWERED"],
    REQUEST_KINDS.map((kind) => [kind, String(answered[kind] ?? 0)]),
  );
  await print.line("");
  await print.table(
    ["COUNTED BY NODES", "TIMES"],
    Object.entries(counted)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, times]) => [name, String(times)]),
  );
  await print.line("");
  await print.table(
    ["INVARIANT", "CHECKED", "WHAT IT SAYS"],
    invariants.map((name) => [name, String(checks[name] ?? 0), INVARIANTS[name]]),
  );
  await print.line("");
}
