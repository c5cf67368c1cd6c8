/** Many power failures: recordings, each cut at many moments; every further one begins on what a failure left. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@hearsay/core";
import { heldAfter, survive } from "./check.ts";
import { losePower, type Tail } from "./loss.ts";
import { type Recording, record } from "./recording.ts";

export interface PowerPlan {
  readonly points: number;
  readonly seed: number;
  /** Power failures on one recording. */
  readonly perRecording: number;
  /** Commits of one recording. */
  readonly commits: number;
}

export interface PowerReport {
  readonly points: number;
  readonly recordings: number;
  readonly tails: Readonly<Record<Tail, number>>;
  readonly manifestsCut: number;
  readonly tablesTorn: number;
  /** The commit under way was there all the same. */
  readonly keptUnacknowledged: number;
  readonly violations: readonly string[];
}

export async function runPowerLosses(
  { points, seed, perRecording, commits }: PowerPlan,
  onPoint: (done: number) => void = () => undefined,
): Promise<PowerReport> {
  const random = new SeededRandom(seed);
  const root = mkdtempSync(join(tmpdir(), "hearsay-power-"));
  const tails = { whole: 0, dropped: 0, torn: 0, zeroed: 0 };
  const violations: string[] = [];
  const sums = { recordings: 0, manifestsCut: 0, tablesTorn: 0, keptUnacknowledged: 0 };
  let directory = join(root, "node");
  let before: ReadonlyMap<string, number> = new Map();
  let boot = 1;
  let firstStamp = 0;
  try {
    for (let done = 0; done < points; ) {
      const files = join(root, `files-${sums.recordings}`);
      const plan = { directory, files, commits, boot, before, firstStamp };
      const recording: Recording = await record(plan, random);
      sums.recordings += 1;
      firstStamp = Math.max(firstStamp, ...heldAfter(recording, recording.points.length).values());
      const end = Math.min(points, done + perRecording);
      for (; done < end; done++) {
        boot += 1;
        const left = join(root, `left-${done}`);
        mkdirSync(left);
        const loss = losePower(recording, left, random);
        const survival = await survive(recording, loss, left, boot);
        tails[loss.tail] += 1;
        if (loss.manifestCut) sums.manifestsCut += 1;
        sums.tablesTorn += loss.tablesTorn;
        if (survival.keptUnacknowledged) sums.keptUnacknowledged += 1;
        for (const violation of survival.violations)
          violations.push(`point ${done} of seed ${seed}: ${violation}: ${JSON.stringify(loss)}`);
        onPoint(done + 1);
        if (done + 1 < end) rmSync(left, { recursive: true });
        else {
          // A store in doubt waits for its node to settle that, and there is none here.
          directory = loss.sideFileLost ? join(root, `node-${done}`) : left;
          before = loss.sideFileLost ? new Map() : survival.held;
        }
      }
      rmSync(files, { recursive: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return { points, tails, violations, ...sums };
}
