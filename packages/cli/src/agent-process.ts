import {
  type AgentLog,
  type AgentPorts,
  ClientSource,
  differences,
  dryRun,
  type FilePreview,
  processPorts,
  type RunAgentOptions,
  RunningAgent,
} from "@hearsay/agent";
import { Client } from "@hearsay/client";
import type { AgentFlags } from "./commands/agent.ts";
import { CliError, EXIT } from "./failure.ts";
import type { Io, Output } from "./io.ts";
import { rejectedBy } from "./pause.ts";
import { paintPlanLine } from "./plan-output.ts";
import { Printer } from "./printer.ts";
import { endpointsOf } from "./session.ts";

/** Runs the agent until the process is asked to end, or once. */
export async function agent(io: Io, flags: AgentFlags): Promise<void> {
  const ends = flags.once === true || flags.dryRun === true;
  const options = agentOptions(io, flags, ends);
  let running: RunningAgent | undefined;
  let isReloadOwed = false;
  // What ends by itself has nothing to read again; before the start is over, and while it stops, the signal ends nothing either.
  const reload = (): void => {
    if (running === undefined) isReloadOwed = true;
    else if (!ends) void running.reload();
  };
  process.on("SIGHUP", reload);
  try {
    if (flags.dryRun === true) return await showDryRun(io, flags, options);
    running = await RunningAgent.start(options);
    if (isReloadOwed) reload();
    if (flags.once === true) await once(io, flags, running);
    else await rejectedBy(io.stopped).catch(() => undefined);
  } finally {
    await running?.stop();
    process.off("SIGHUP", reload);
  }
}

function agentOptions(io: Io, flags: AgentFlags, ends: boolean): RunAgentOptions {
  const ports = processPorts(jsonLog(ends ? io.err : io.out));
  return {
    path: flags.config,
    ports,
    sourceOf: ({ endpoints }) => clientSource(flags.endpoint ?? endpoints ?? endpointsOf({}, io.env), ports),
    allowEmpty: flags.allowEmpty === true,
    servesStatus: !ends,
    failOnMissing: flags.failOnMissing,
  };
}

export function clientSource(endpoints: readonly string[], ports: AgentPorts): ClientSource {
  return new ClientSource({ endpoints, ports, clientOf: (some) => new Client({ endpoints: some }) });
}

/** A JSON object a line. */
export function jsonLog(output: Output): AgentLog {
  return (level, event, facts) => {
    const line = JSON.stringify({ level, time: new Date().toISOString(), event, ...facts });
    // A log that nobody can read any more is no reason to stop.
    output.write(`${line}\n`).catch(() => undefined);
  };
}

async function once(io: Io, flags: AgentFlags, running: RunningAgent): Promise<void> {
  await inTime(io, flags, (signal) => Promise.race([running.agent.firstRound(), rejectedBy(signal)]));
  const { files, prefixes, stale } = running.status();
  const print = new Printer(io, { json: flags.json === true });
  if (print.json) await print.document({ stale, files });
  else if (stale) {
    const old = prefixes.filter(({ state }) => state !== "synced");
    const reasons = old.map(
      ({ prefix, error }) => `${JSON.stringify(prefix)}${error ? ` (${error.message})` : ""}`,
    );
    const why = reasons.length === 0 ? "" : `, where they use ${reasons.join(", ")}`;
    await print.note(`The files are as they were, or from the last good copy${why}.`);
  }
  const failed = files.filter(({ error }) => error !== undefined);
  if (failed.length === 0) return;
  const missing = failed.every(({ error }) => error?.code === "missing_keys");
  throw new CliError(failed.map(({ path, error }) => `${path}: ${error?.message}`).join("\n"), {
    code: failed[0]?.error?.code ?? "internal",
    exit: missing ? EXIT.notFound : EXIT.error,
    next: failed[0]?.error?.next,
  });
}

async function showDryRun(io: Io, flags: AgentFlags, options: RunAgentOptions): Promise<void> {
  const previews = await inTime(io, flags, (signal) => dryRun(options, signal));
  const print = new Printer(io, { json: flags.json === true });
  for (const preview of previews) {
    if (print.json) await print.document(previewDocument(preview));
    else await showPreview(io, print, preview);
  }
  const failed = previews.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined) throw failed;
}

async function showPreview(io: Io, print: Printer, preview: FilePreview): Promise<void> {
  const { path, before, after, missing, error } = preview;
  if (error !== undefined) await print.line(`! ${path}: ${error.message}`);
  if (after === undefined) return;
  const unchanged = before !== undefined && Buffer.compare(before, after) === 0;
  await print.line(`${before === undefined ? "+" : unchanged ? "=" : "~"} ${path} (${after.length} bytes)`);
  for (const key of missing) await print.line(`    (no value for ${JSON.stringify(key)})`);
  if (unchanged) return;
  for (const line of differences(before ?? new Uint8Array(0), after))
    await print.line(paintPlanLine(io, line));
}

function previewDocument({ path, stale, before, after, missing, error }: FilePreview): unknown {
  const changed = after !== undefined && (before === undefined || Buffer.compare(before, after) !== 0);
  const text = after === undefined ? undefined : Buffer.from(after).toString("utf8");
  return {
    path,
    changed,
    stale,
    missing,
    text,
    error: error && { code: error.fault.code, message: error.message },
  };
}

/** Runs what shall not wait for ever for a node. */
async function inTime<T>(io: Io, flags: AgentFlags, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    const message = `not every prefix was whole within ${flags.timeout} ms`;
    late.abort(
      new CliError(message, {
        code: "timed_out",
        exit: EXIT.timedOut,
        next: "Check that a node runs and that the endpoints name it. Files of prefixes that were not whole are as they were.",
      }),
    );
  }, flags.timeout);
  try {
    return await work(AbortSignal.any([io.stopped, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}
