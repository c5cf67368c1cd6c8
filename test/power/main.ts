/**
 * The long run: `npm run test:power -- [points] [seed]`. Exits with 1 when anything that was acknowledged is gone.
 */
import { runPowerLosses } from "./run.ts";

const POINTS = 5000;
const PER_RECORDING = 100;
const COMMITS = 300;

const [points = POINTS, seed = 1] = process.argv.slice(2).map(Number);
const report = await runPowerLosses(
  { points, seed, perRecording: PER_RECORDING, commits: COMMITS },
  (done) => {
    if (done % PER_RECORDING === 0) process.stderr.write(`${done} of ${points}\n`);
  },
);
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
