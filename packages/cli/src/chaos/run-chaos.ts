import { randomInt } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { formatDurationMs } from "@hearsay/api";
import {
  check,
  chooseFaults,
  DEFAULT_WORKLOAD,
  drawSeed,
  type FaultName,
  type Findings,
  type History,
  namedFaults,
  parseWorkload,
  Recorder,
  type RunOptions,
  readHistory,
  runLocally,
  runOnEndpoints,
  type WorkloadSpec,
  writeReport,
} from "@hearsay/chaos";
import type { ChaosFlags } from "../commands/chaos.ts";
import { HEARSAY } from "../dev/hearsay-command.ts";
import { CliError, EXIT, type ExitCode } from "../failure.ts";
import { invocation } from "../invocation.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { printFindings } from "./print-findings.ts";
import { directoryForReport, directoryForRun, HISTORY } from "./report-directory.ts";

const SEED_BOUND = 2 ** 31;
const MINUTE_MS = 60_000;

/** Runs, or checks what was run before. @throws CliError for what does not hold */
export async function runChaos(io: Io, flags: ChaosFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  if (flags.check !== undefined) {
    await checkAgain(print, flags.check, flags.report);
    return;
  }
  const endpoints = flags.endpoints === undefined ? undefined : baseUrlsOf(flags.endpoints);
  const faults = chooseFaults(flags.faults ?? []);
  const asked = namedFaults(flags.faults ?? []);
  const durationMs = flags.minutes * MINUTE_MS;
  const seed =
    flags.seed ?? drawSeed(() => randomInt(SEED_BOUND), { nodes: flags.nodes, durationMs, faults }, asked);
  const workload = await workloadOf(flags);
  const report = directoryForRun(flags.report, seed);
  const options: RunOptions = {
    seed,
    durationMs,
    settleMs: flags.settle,
    workload,
    report,
    repeat: repeatOf(flags, seed),
  };
  const file = join(report, HISTORY);
  const recorder = new Recorder(file);
  io.stopped.addEventListener("abort", () => recorder.interrupt(), { once: true });
  if (!print.json) await print.note(`Seed ${seed}, report in ${report}`);
  let directory: string | undefined;
  try {
    directory = await perform(io, print, flags, { options, endpoints, faults, asked, recorder });
  } catch (error) {
    if (!recorder.history.isInterrupted) {
      await recorder.close();
      // What has not begun is no run, and does not keep the next one from its place.
      if (recorder.history.begin === undefined) await rm(file, { force: true });
      throw error;
    }
  }
  const unwritten: unknown = await recorder.close();
  const findings = check(recorder.history);
  const unreported = await failureOf(writeReport(report, recorder.history, findings));
  const failure = unwritten ?? unreported;
  if (recorder.history.isInterrupted) {
    await printFindings(print, recorder.history, findings, report);
    await print.note(failure === undefined ? `History: ${file}` : gapOf(failure));
    io.stopped.throwIfAborted();
  }
  // What was not tested is in no node's data.
  const isKept = findings.violations.some(({ code }) => code !== "unfinished");
  if (directory !== undefined && !isKept) await rm(directory, { recursive: true, force: true });
  // What was found comes first, whatever could not be written.
  await conclude(print, recorder.history, findings, {
    report,
    directory: isKept ? directory : undefined,
    failure,
  });
}

async function checkAgain(print: Printer, file: string, named: string | undefined): Promise<void> {
  const history = await readHistory(createReadStream(file, "utf8"));
  const findings = check(history);
  const report = named === undefined ? undefined : directoryForReport(named);
  const failure = await (report === undefined
    ? undefined
    : failureOf(writeReport(report, history, findings)));
  await conclude(print, history, findings, { report, directory: undefined, failure });
}

/** Why it was not done; undefined when it was. */
async function failureOf(doing: Promise<void>): Promise<unknown> {
  return await doing.then(
    () => undefined,
    (error: unknown) => error,
  );
}

interface Run {
  readonly options: RunOptions;
  readonly endpoints: readonly string[] | undefined;
  readonly faults: readonly FaultName[];
  readonly asked: readonly FaultName[];
  readonly recorder: Recorder;
}

async function perform(
  io: Io,
  print: Printer,
  { nodes, set = [] }: ChaosFlags,
  { options, endpoints, faults, asked, recorder }: Run,
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
      await runOnEndpoints(endpoints, options, recorder, events, io.stopped);
      return undefined;
    }
    return await runLocally(
      { ...options, nodes, faults, asked, set, command: HEARSAY },
      recorder,
      events,
      io.stopped,
    );
  } finally {
    clearInterval(drawing);
    progress.end();
  }
}

/** @throws CliError for what names no nodes, or one twice */
function baseUrlsOf(texts: readonly string[]): string[] {
  const urls = texts.map((text) => {
    try {
      const { href, protocol } = new URL(text.includes("://") ? text : `http://${text}`);
      if (protocol === "http:" || protocol === "https:") return href.replace(/\/+$/, "");
    } catch {
      // As what is another protocol.
    }
    throw badEndpoint(`${JSON.stringify(text)} is no http or https URL of a node`);
  });
  const twice = urls.find((url, at) => urls.indexOf(url) < at);
  if (twice !== undefined) throw badEndpoint(`${twice} is named twice, and would count as two nodes`);
  if (urls.length === 0) throw badEndpoint("--endpoints names no node");
  return urls;
}

function badEndpoint(message: string): CliError {
  return new CliError(message, { code: "bad_endpoint", exit: EXIT.usage });
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
  return `${invocation()} chaos ${words.map(quoted).join(" ")}`;
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

interface Kept {
  readonly report: string | undefined;
  readonly directory: string | undefined;
  /** Why the history or the report is not whole. */
  readonly failure: unknown;
}

async function conclude(print: Printer, history: History, findings: Findings, kept: Kept): Promise<void> {
  await printFindings(print, history, findings, kept.report);
  const { violations } = findings;
  const { failure } = kept;
  if (violations.length === 0) {
    if (failure === undefined) return;
    throw failure;
  }
  const data = kept.directory === undefined ? "" : `\nThe nodes' data is kept in ${kept.directory}.`;
  const gap = failure === undefined ? "" : `\n${gapOf(failure)}`;
  const next = `Run it again with:\n  ${history.begin?.command ?? ""}${data}${gap}`;
  const { message, ...facts } = verdictBy(violations);
  throw new CliError(message, { ...facts, next });
}

interface Verdict {
  readonly message: string;
  readonly code: string;
  readonly exit: ExitCode;
}

function verdictBy(violations: Findings["violations"]): Verdict {
  const message = quantity(violations.length, "violation");
  const areAll = (wanted: string): boolean => violations.every(({ code }) => code === wanted);
  if (areAll("not_converged")) return { message, code: "not_converged", exit: EXIT.timedOut };
  if (areAll("unfinished"))
    return { message: "not everything was tested", code: "unfinished", exit: EXIT.error };
  return { message, code: "promise_broken", exit: EXIT.error };
}

function gapOf(failure: unknown): string {
  const reason = failure instanceof Error ? failure.message : String(failure);
  return `The history or the report is not whole: ${reason}`;
}
