/**
 * The long run: `npm run test:power -- [points] [seed]`. Exits with 1 when anything that was acknowledged is gone.
 *
 * First it has a store acknowledge before it syncs. If that loses nothing, the check cannot fail, and the run ends with 1.
 */
import { type PowerReport, runPowerLosses } from "./run.ts";

const POINTS = 5000;
const PER_RECORDING = 100;
const COMMITS = 300;
const PLANTED_POINTS = 50;
/** Runs beside each other: while one waits for the disk, another one computes. */
const LANES = 4;
/** Seeds of lanes are so far apart that runs with neighbouring seeds share none. */
const SEED_STEP = 1_000_003;

const [points = POINTS, seed = 1] = process.argv.slice(2).map(Number);
let done = 0;
const common = { perRecording: PER_RECORDING, commits: COMMITS };

const planted = await runPowerLosses({ ...common, points: PLANTED_POINTS, seed, durability: "os" });
const startedMs = performance.now();
const report = sumOf(await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane))));
const pointsPerSecond = Math.round((10_000 * points) / (performance.now() - startedMs)) / 10;
const noticed = { points: planted.points, lossy: planted.lossy };
process.stdout.write(`${JSON.stringify({ ...report, pointsPerSecond, planted: noticed }, null, 2)}\n`);
if (planted.lossy === 0)
  process.stderr.write("The check is blind: it finds no loss where writes are not synced.\n");
process.exitCode = report.violations.length === 0 && planted.lossy > 0 ? 0 : 1;

async function runLane(lane: number): Promise<PowerReport> {
  const share = Math.floor(((lane + 1) * points) / LANES) - Math.floor((lane * points) / LANES);
  const plan = { ...common, points: share, seed: seed + lane * SEED_STEP, durability: "fsync" } as const;
  return await runPowerLosses(plan, () => {
    done += 1;
    if (done % PER_RECORDING === 0) process.stderr.write(`${done} of ${points}\n`);
  });
}

function sumOf(reports: readonly PowerReport[]): PowerReport {
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
