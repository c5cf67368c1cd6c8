/**
 * The long run: `npm run test:power -- [points] [seed]`. Exits with 1 when anything that was acknowledged is gone.
 *
 * First it has a store acknowledge before it syncs. If that loses nothing, the check cannot fail, and the run ends with 1.
 */
import { runInLanes } from "./lanes.ts";
import { runPowerLosses } from "./run.ts";

const POINTS = 5000;
const PER_RECORDING = 100;
const COMMITS = 300;
const PLANTED_POINTS = 50;
const LANES = 4;

const [points = POINTS, seed = 1] = process.argv.slice(2).map(Number);
const common = { perRecording: PER_RECORDING, commits: COMMITS };

const planted = await runPowerLosses({ ...common, points: PLANTED_POINTS, seed, durability: "os" });
const startedMs = performance.now();
const report = await runInLanes({ ...common, points, seed, durability: "fsync" }, LANES, (done) => {
  if (done % PER_RECORDING === 0) process.stderr.write(`${done} of ${points}\n`);
});
const pointsPerSecond = Math.round((10_000 * points) / (performance.now() - startedMs)) / 10;
const noticed = { points: planted.points, lossy: planted.lossy };
process.stdout.write(`${JSON.stringify({ ...report, pointsPerSecond, planted: noticed }, null, 2)}\n`);
if (planted.lossy === 0)
  process.stderr.write("The check is blind: it finds no loss where writes are not synced.\n");
process.exitCode = report.violations.length === 0 && planted.lossy > 0 ? 0 : 1;
