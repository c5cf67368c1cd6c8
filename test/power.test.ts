/** Power failures on the real LevelDB: what was acknowledged with `fsync` is there afterwards. The long run: `npm run test:power`. */
import { expect, it } from "vitest";
import { runInLanes } from "./power/lanes.ts";
import { runPowerLosses } from "./power/run.ts";

it("loses nothing that was acknowledged at 150 power failures, and is in no doubt", async () => {
  const report = await runInLanes(
    { points: 150, seed: 7, perRecording: 50, commits: 120, durability: "fsync" },
    3,
  );
  expect(report.violations).toEqual([]);
  // Each kind of loss was among them, or nothing was shown.
  expect(Math.min(...Object.values(report.tails))).toBeGreaterThan(5);
  expect(report.manifestsCut).toBeGreaterThan(5);
  expect(report.tablesTorn).toBeGreaterThan(5);
  expect(report.keptUnacknowledged).toBeGreaterThan(5);
});

it("says so where writes were acknowledged before they were synced, and are lost", async () => {
  const report = await runPowerLosses({
    points: 10,
    seed: 7,
    perRecording: 10,
    commits: 40,
    durability: "os",
  });
  expect(report.lossy).toBeGreaterThan(5);
  expect(report.violations.join("\n")).toMatch(/holds write \d+, acknowledged was \d+/);
});
