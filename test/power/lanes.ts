/** Runs beside each other: while one waits for the disk, another one computes. */
import { type PowerPlan, type PowerReport, runPowerLosses } from "./run.ts";

/** Seeds of lanes are so far apart that runs with neighbouring seeds share none. */
const SEED_STEP = 1_000_003;

/** @param plan of all lanes together, which share its points */
export async function runInLanes(
  plan: PowerPlan,
  lanes: number,
  onPoint: (done: number) => void = () => undefined,
): Promise<PowerReport> {
  let done = 0;
  const count = (): void => {
    done += 1;
    onPoint(done);
  };
  return sumOf(await Promise.all(shares(plan, lanes).map((share) => runPowerLosses(share, count))));
}

/** The points of a plan in as many parts, each with seeds of its own. */
export function shares(plan: PowerPlan, parts: number): readonly PowerPlan[] {
  return Array.from({ length: parts }, (_, part) => {
    const points = Math.floor(((part + 1) * plan.points) / parts) - Math.floor((part * plan.points) / parts);
    return { ...plan, points, seed: plan.seed + part * SEED_STEP };
  });
}

export function sumOf(reports: readonly PowerReport[]): PowerReport {
  const sum = { points: 0, recordings: 0, manifestsCut: 0, tablesTorn: 0, keptUnacknowledged: 0, lossy: 0 };
  const tails = { whole: 0, dropped: 0, torn: 0, zeroed: 0 };
  for (const report of reports) {
    sum.points += report.points;
    sum.recordings += report.recordings;
    sum.manifestsCut += report.manifestsCut;
    sum.tablesTorn += report.tablesTorn;
    sum.keptUnacknowledged += report.keptUnacknowledged;
    sum.lossy += report.lossy;
    tails.whole += report.tails.whole;
    tails.dropped += report.tails.dropped;
    tails.torn += report.tails.torn;
    tails.zeroed += report.tails.zeroed;
  }
  return { ...sum, tails, violations: reports.flatMap(({ violations }) => violations) };
}
