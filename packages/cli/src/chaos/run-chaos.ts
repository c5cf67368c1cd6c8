import { randomInt } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { formatDurationMs } from "@hearsay/api";
import {
  check,
  chooseFaults,
  DEFAULT_WORKLOAD,
  type FaultName,
  type Findings,
  History,
  parseLines,
  parseWorkload,
  Recorder,
  type RunOptions,
  runLocally,
  runOnEndpoints,
  type WorkloadSpec,
  writeReport,
} from "@hearsay/chaos";
import type { ChaosFlags } from "../commands/chaos.ts";
import { HEARSAY } from "../dev/hearsay-command.ts";
import { CliError, EXIT } from "../failure.ts";
import { invocation } from "../invocation.ts";
import type { Io } from "../io.ts";
import { makeDirectory } from "../make-directory.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { printFindings } from "./print-findings.ts";

const SEED_BOUND = 2 ** 31;
const MINUTE_MS = 60_000;

/** Runs, or checks what was run before. @throws CliError for what does not hold */
export async function runChaos(io: Io, flags: ChaosFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  if (flags.check !== undefined) {
    const history = History.of(parseLines(await readFile(flags.check, "utf8")));
    await conclude(print, history, check(history), undefined);
    return;
  }
  const seed = flags.seed ?? randomInt(SEED_BOUND);
  const report = flags.report ?? `.hearsay/chaos-${seed}`;
  const faults = chooseFaults(flags.faults ?? []);
  const workload = await workloadOf(flags);
  const options: RunOptions = {
    seed,
    durationMs: flags.minutes * MINUTE_MS,
    settleMs: flags.settle,
    workload,
    report,
    repeat: repeatOf(flags, seed),
  };
  makeDirectory(report, "--report");
  const recorder = new Recorder(join(report, "history.ndjson"));
  if (!print.json) await print.note(`Seed ${seed}, report in ${report}`);
  let directory: string | undefined;
  try {
    directory = await perform(io, print, flags, { options, faults, recorder });
  } finally {
    await recorder.close();
  }
  const findings = check(recorder.history);
  await writeReport(report, recorder.history, findings);
  const isClean = findings.violations.length === 0;
  if (directory !== undefined && isClean) await rm(directory, { recursive: true, force: true });
  await conclude(print, recorder.history, findings, { report, directory: isClean ? undefined : directory });
}

interface Run {
  readonly options: RunOptions;
  readonly faults: readonly FaultName[];
  readonly recorder: Recorder;
}

async function perform(
  io: Io,
  print: Printer,
  { nodes, endpoints, set = [] }: ChaosFlags,
  { options, faults, recorder }: Run,
): Promise<string | undefined> {
  const progress = new ProgressLine(io, () => performance.now());
  const events = {
    stage: (text: string): void => {
      if (print.json) return;
      progress.end();
      const time = (recorder.nowMs() / 1000).toFixed(1).padStart(6);
      print.note(`${time} s  ${text}`).catch(() => {
        // Whoever does not read the messages shall still get the report.
      });
    },
  };
  const drawing = setInterval(() => progress.update(() => progressOf(recorder)), PROGRESS_MS);
  try {
    if (endpoints !== undefined) {
      await runOnEndpoints(endpoints.map(baseUrlOf), options, recorder, events, io.stopped);
      return undefined;
    }
    return await runLocally(
      { ...options, nodes, faults, set, command: HEARSAY },
      recorder,
      events,
      io.stopped,
    );
  } finally {
    clearInterval(drawing);
    progress.end();
  }
}

function baseUrlOf(text: string): string {
  try {
    return new URL(text.includes("://") ? text : `http://${text}`).href.replace(/\/+$/, "");
  } catch {
    throw new CliError(`${JSON.stringify(text)} is no URL of a node`, {
      code: "bad_endpoint",
      exit: EXIT.usage,
    });
  }
}

const PROGRESS_MS = 250;

function progressOf(recorder: Recorder): string {
  const { operations, faults } = recorder.history;
  return `${Math.round(recorder.nowMs() / 1_000)} s, ${quantity(operations.length, "operation")}, ${quantity(faults.length, "fault")}`;
}

async function workloadOf({ workload }: ChaosFlags): Promise<WorkloadSpec> {
  return workload === undefined ? DEFAULT_WORKLOAD : parseWorkload(await readFile(workload, "utf8"));
}

/** The same run again. */
function repeatOf(flags: ChaosFlags, seed: number): string {
  const { nodes, minutes, settle, faults, workload, set = [], endpoints } = flags;
  const where = endpoints === undefined ? ["--nodes", String(nodes)] : ["--endpoints", endpoints.join(",")];
  const words = [
    ...where,
    ...["--minutes", String(minutes)],
    ...["--settle", formatDurationMs(settle)],
    ...(faults === undefined || endpoints !== undefined ? [] : ["--faults", faults.join(",")]),
    ...(workload === undefined ? [] : ["--workload", workload]),
    ...set.flatMap((one) => ["--set", one]),
    ...["--seed", String(seed)],
  ];
  return `${invocation()} chaos ${words.join(" ")}`;
}

interface Kept {
  readonly report: string;
  readonly directory: string | undefined;
}

async function conclude(
  print: Printer,
  history: History,
  findings: Findings,
  kept: Kept | undefined,
): Promise<void> {
  await printFindings(print, history, findings, kept?.report);
  const { violations } = findings;
  if (violations.length === 0) return;
  const onlyLate = violations.every(({ code }) => code === "not_converged");
  const data = kept?.directory === undefined ? "" : `\nThe nodes' data is kept in ${kept.directory}.`;
  throw new CliError(quantity(violations.length, "violation"), {
    code: onlyLate ? "not_converged" : "promise_broken",
    exit: onlyLate ? EXIT.timedOut : EXIT.error,
    next: `Run it again with:\n  ${history.begin?.command ?? ""}${data}`,
  });
}
