/** Many power failures: recordings, each cut at many moments; every further one begins on what a failure left. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@hearsay/core";
import { heldAfter, survive } from "./check.ts";
import { losePower, type Tail } from "./loss.ts";
import { type Recording, record } from "./recording.ts";
import type { Durability } from "./records.ts";

export interface PowerPlan {
  readonly points: number;
  readonly seed: number;
  /** Power failures on one recording. */
  readonly perRecording: number;
  /** Commits of one recording. */
  readonly commits: number;
  /** With `os` acknowledged writes have to be lost: a check that does not say so says nothing. */
  readonly durability: Durability;
}

export interface PowerReport {
  readonly points: number;
  readonly recordings: number;
  readonly tails: Readonly<Record<Tail, number>>;
  readonly manifestsCut: number;
  readonly tablesTorn: number;
  /** The commit under way was there all the same. */
  readonly keptUnacknowledged: number;
  /** Points at which an acknowledged write was gone. */
  readonly lossy: number;
  readonly violations: readonly string[];
}

export async function runPowerLosses(
  { points, seed, perRecording, commits, durability }: PowerPlan,
  onPoint: (done: number) => void = () => undefined,
): Promise<PowerReport> {
  const random = new SeededRandom(seed);
  const root = mkdtempSync(join(tmpdir(), "hearsay-power-"));
  const tails = { whole: 0, dropped: 0, torn: 0, zeroed: 0 };
  const violations: string[] = [];
  const sums = { recordings: 0, manifestsCut: 0, tablesTorn: 0, keptUnacknowledged: 0, lossy: 0 };
  let directory = join(root, "node");
  let before: ReadonlyMap<string, number> = new Map();
  let boot = 1;
  let firstStamp = 0;
  try {
    for (let done = 0; done < points; ) {
      const files = join(root, `files-${sums.recordings}`);
      const plan = { directory, files, commits, durability, boot, before, firstStamp };
      const recording: Recording = await record(plan, random);
      sums.recordings += 1;
      firstStamp = Math.max(firstStamp, ...heldAfter(recording, recording.points.length).values());
      const end = Math.min(points, done + perRecording);
      for (; done < end; done++) {
        boot += 1;
        const left = join(root, `left-${done}`);
        mkdirSync(left);
        const loss = losePower(recording, left, random);
        const survival = await survive(recording, loss, { directory: left, boot, durability });
        tails[loss.tail] += 1;
        if (loss.manifestCut) sums.manifestsCut += 1;
        sums.tablesTorn += loss.tablesTorn;
        if (survival.lost > 0) sums.lossy += 1;
        if (survival.keptUnacknowledged) sums.keptUnacknowledged += 1;
        for (const violation of survival.violations)
          violations.push(`point ${done} of seed ${seed}: ${violation}: ${JSON.stringify(loss)}`);
        onPoint(done + 1);
        if (done + 1 < end) await rm(left, { recursive: true });
        else {
          // A store in doubt waits for its node to settle that, and there is none here.
          const isSound = !loss.sideFileLost && survival.violations.length === 0;
          directory = isSound ? left : join(root, `node-${done}`);
          before = isSound ? survival.held : new Map();
        }
      }
      await rm(files, { recursive: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return { points, tails, violations, ...sums };
}
