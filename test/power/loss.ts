/**
 * Makes the disk that a power failure leaves: what was synced is there, and of what was written after it each byte may be
 * missing. See docs/store.md for what LevelDB syncs, and when.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type RandomSource, randomBelow } from "@hearsay/core";
import { liveFiles, syncedAtLeast } from "./manifest.ts";
import type { CommitPoint, Recording } from "./recording.ts";

/** What became of the bytes of the log that were written and not synced. */
export type Tail = "whole" | "dropped" | "torn" | "zeroed";

export interface Loss {
  /** The last commit that was acknowledged, counted from 0, the state after opening. */
  readonly acknowledged: number;
  readonly tail: Tail;
  /** Whether the last record of the manifest was lost or torn. */
  readonly manifestCut: boolean;
  /** Tables that were torn, or are missing, because no manifest names them yet. */
  readonly tablesTorn: number;
  /** The side file with the newest sequence is empty, as if it had never come to the disk. */
  readonly sideFileLost: boolean;
}

/** The power fails after the acknowledgement of one commit and before that of the next, at a moment drawn at random. */
export function losePower(recording: Recording, directory: string, random: RandomSource): Loss {
  const { files, points } = recording;
  const at = randomBelow(random, points.length - 1);
  const done = points[at];
  const next = points[at + 1];
  if (done === undefined || next === undefined) throw new Error("a recording without commits");
  const database = join(directory, "db");
  mkdirSync(database, { recursive: true });
  const put = (name: string, bytes: number): void => {
    copyFileSync(join(files, name), join(database, name));
    truncateSync(join(database, name), bytes);
  };
  // An opening writes a manifest of its own, syncs it, and only then names it.
  const isRenamed = done.manifest !== next.manifest && randomBelow(random, 2) === 0;
  const manifest = isRenamed ? wholeManifest(files, next) : cutManifest(files, done, next, random);
  const named = isRenamed ? next.manifest : done.manifest;
  writeFileSync(join(database, "CURRENT"), `${named}\n`);
  put(named, manifest.bytes.length);
  if (named !== next.manifest)
    put(next.manifest, cutAnywhere(0, next.lengths.get(next.manifest) ?? 0, random));
  const { logNumber, tables } = liveFiles(manifest.bytes);
  const tail = loseLogs({ files, done, next, logNumber, database, put }, random);
  let tablesTorn = 0;
  for (const name of new Set([...done.lengths.keys(), ...next.lengths.keys()])) {
    if (!name.endsWith(".ldb")) continue;
    const whole = readFileSync(join(files, name)).length;
    const isNamed = tables.has(Number.parseInt(name, 10));
    const bytes = isNamed ? whole : cutAnywhere(0, whole, random);
    if (isNamed || randomBelow(random, 4) > 0) put(name, bytes);
    if (bytes < whole) tablesTorn += 1;
  }
  for (const name of [...tables].map(tableName)) {
    // Merged into another one by then, and needed again because the manifest was cut.
    if (!done.lengths.has(name) && !next.lengths.has(name)) put(name, readFileSync(join(files, name)).length);
  }
  const sideFileLost = loseSequence(recording, at, directory, random);
  return { acknowledged: at, tail, manifestCut: manifest.cut, tablesTorn, sideFileLost };
}

function wholeManifest(files: string, { manifest, lengths }: CommitPoint) {
  return { bytes: readFileSync(join(files, manifest)).subarray(0, lengths.get(manifest)), cut: false };
}

/** A record of the manifest is synced before the next one is begun; so all but the last one are there. */
function cutManifest(files: string, done: CommitPoint, next: CommitPoint, random: RandomSource) {
  const file = readFileSync(join(files, done.manifest));
  const atDone = file.subarray(0, done.lengths.get(done.manifest) ?? 0);
  const written = next.lengths.get(done.manifest) ?? atDone.length;
  const synced = syncedAtLeast(atDone);
  // Half of the time all that was written is there.
  const drawn = randomBelow(random, 2) === 0 ? written : cutAnywhere(synced, written, random);
  // A table that was written and merged into another one between two commits was seen by nobody, so no disk has it.
  const isThere = (length: number): boolean =>
    [...liveFiles(file.subarray(0, length)).tables].every((table) =>
      existsSync(join(files, tableName(table))),
    );
  const length = [drawn, written, synced].find(isThere);
  if (length === undefined) throw new Error("a table of each manifest came and went between two commits");
  return { bytes: file.subarray(0, length), cut: length < written };
}

function tableName(number: number): string {
  return `${String(number).padStart(6, "0")}.ldb`;
}

interface LogLoss {
  readonly files: string;
  readonly done: CommitPoint;
  readonly next: CommitPoint;
  readonly logNumber: number;
  readonly database: string;
  readonly put: (name: string, bytes: number) => void;
}

const isLog = (name: string): boolean => name.endsWith(".log");
const numberOf = (name: string): number => Number.parseInt(name, 10);

/** A log is synced with each batch. What the next batch has appended may be there, in part, or as zeros. */
function loseLogs(loss: LogLoss, random: RandomSource): Tail {
  const { files, done, next, logNumber, database, put } = loss;
  const newest = [...next.lengths.keys()].filter(isLog).sort().at(-1) ?? "";
  for (const name of readdirSync(files).filter(isLog)) {
    const isReplayed = numberOf(name) >= logNumber && name < newest;
    const isLeft = done.lengths.has(name) && name < newest && randomBelow(random, 2) === 0;
    // One that the manifest as cut still needs was deleted, if at all, only after that.
    if (isReplayed || isLeft) put(name, next.lengths.get(name) ?? readFileSync(join(files, name)).length);
  }
  const synced = done.lengths.get(newest) ?? 0;
  const written = next.lengths.get(newest) ?? 0;
  const kept = cutAnywhere(synced, written, random);
  if (kept === 0 && !done.lengths.has(newest) && randomBelow(random, 2) === 0) return "dropped";
  put(newest, kept);
  if (kept < written && randomBelow(random, 4) === 0) {
    truncateSync(join(database, newest), written);
    return "zeroed";
  }
  return kept === written ? "whole" : kept === synced ? "dropped" : "torn";
}

/** The ends of the range come up often: they are the moments before and after a write. */
function cutAnywhere(from: number, to: number, random: RandomSource): number {
  const draw = randomBelow(random, 8);
  if (draw === 0) return from;
  return draw === 1 ? to : from + randomBelow(random, to - from + 1);
}

/** The side file is never synced: it may be as old as it likes, or empty. Says whether it is. */
function loseSequence({ points }: Recording, at: number, directory: string, random: RandomSource): boolean {
  const draw = randomBelow(random, 8);
  const old = draw < 4 ? at : randomBelow(random, at + 1);
  const sequence = draw === 7 ? 0 : (points[old]?.sequence ?? 0);
  writeFileSync(join(directory, "sequence"), sequence === 0 ? "" : String(sequence));
  return sequence === 0;
}
