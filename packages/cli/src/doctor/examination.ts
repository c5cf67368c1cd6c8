import type { Readiness } from "@hearsay/api";
import { HearsayError } from "@hearsay/client";
import type { LoadedConfig } from "@hearsay/server";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { loadNodeConfig } from "../node-config.ts";
import type { NodeFlags } from "../node-flags.ts";
import { type Printer, style } from "../printer.ts";
import { type ClientFlags, endpointsOf, type Session } from "../session.ts";
import { checkDirectory } from "./directory.ts";
import type { Finding } from "./finding.ts";
import {
  type ClockReading,
  checkClock,
  checkNode,
  checkOpenFiles,
  checkPort,
  openFilesLimit,
} from "./process.ts";

type DoctorFlags = NodeFlags & ClientFlags;

/** All checks, and what they found. Fails when one of them is bad. */
export async function examine(session: Session, flags: DoctorFlags): Promise<void> {
  const { io, print } = session;
  const config = readConfig(flags, io);
  const reached = await checkEndpoint(session, flags);
  const findings = [checkNode(process.versions.node), checkOpenFiles(openFilesLimit())];
  if ("fault" in config) {
    findings.push(config.fault);
  } else {
    const { settings } = config.loaded;
    findings.push({ check: "configuration", status: "ok", detail: "valid" });
    findings.push(...(await checkDirectory(settings.data)));
    findings.push(await checkListen(settings.listen, reached));
    findings.push(checkClock(Date.now(), reached.clock, settings["clock.maxDriftMs"]));
  }
  findings.push(reached.finding);
  await (print.json ? print.document(findings) : printFindings(io, print, findings));
  const bad = findings.filter(({ status }) => status === "bad").length;
  if (bad > 0) {
    throw new CliError(`${bad} of ${findings.length} checks failed`, { code: "unhealthy", exit: EXIT.error });
  }
}

function readConfig(
  flags: DoctorFlags,
  io: Io,
): { readonly loaded: LoadedConfig } | { readonly fault: Finding } {
  try {
    return { loaded: loadNodeConfig(flags, io.env) };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const finding: Finding = { check: "configuration", status: "bad", detail: error.message };
    return { fault: error.next === undefined ? finding : { ...finding, next: error.next } };
  }
}

interface Reached {
  readonly finding: Finding;
  readonly endpoint: string;
  readonly answers: boolean;
  readonly clock: ClockReading | undefined;
}

/** A node that works answers at once; one that does not within this time is what the doctor was called for. */
const ANSWER_MS = 3_000;

async function checkEndpoint({ client, io, signal }: Session, flags: DoctorFlags): Promise<Reached> {
  const check = "endpoint";
  const endpoint = endpointsOf(flags, io.env)[0] ?? "";
  // The node that may be started next need not answer yet, unless somebody names it.
  const named = flags.endpoint !== undefined || (io.env["HEARSAY_ENDPOINT"] ?? "") !== "";
  const timeoutMs = flags.timeout ?? ANSWER_MS;
  try {
    const readiness = await client.readiness({ signal, timeoutMs });
    const clock = await readClock(endpoint, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    return { finding: findingOf(endpoint, readiness), endpoint, answers: true, clock };
  } catch (error) {
    if (!(error instanceof HearsayError)) throw error;
    const isSilent = error.code === "timed_out";
    const finding: Finding = {
      check,
      status: named || isSilent ? "bad" : "warn",
      detail: error.message,
      next: isSilent ? SILENT : "Start a node with: hearsay serve. Or name one with --endpoint.",
    };
    return { finding, endpoint, answers: false, clock: undefined };
  }
}

function findingOf(endpoint: string, { ready, checks = [] }: Readiness): Finding {
  const check = "endpoint";
  const failed = checks.filter(({ ok }) => !ok);
  if (ready && failed.length === 0) return { check, status: "ok", detail: `${endpoint} is ready` };
  const why = failed.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
  const next = `Read the node's log; GET ${endpoint}/readyz?verbose lists its checks.`;
  if (ready) return { check, status: "warn", detail: `${endpoint} is ready, but ${why}`, next };
  return { check, status: "bad", detail: `${endpoint} is not ready: ${why}`, next };
}

const SILENT =
  "Something listens there and does not answer: read its log, see what it waits for, and restart it.";

/** A Date header tells whole seconds. */
const DATE_HEADER_STEP_MS = 1000;

async function readClock(endpoint: string, signal: AbortSignal): Promise<ClockReading | undefined> {
  const startMs = Date.now();
  const response = await fetch(`${endpoint}/livez`, { signal, redirect: "error" }).catch(() => undefined);
  const endMs = Date.now();
  await response?.body?.cancel();
  const theirsMs = Date.parse(response?.headers.get("date") ?? "");
  if (Number.isNaN(theirsMs)) return undefined;
  const errorMs = (endMs - startMs) / 2 + DATE_HEADER_STEP_MS;
  return { endpoint, theirsMs, oursMs: (startMs + endMs) / 2, errorMs };
}

async function checkListen(listen: string, reached: Reached): Promise<Finding> {
  const colon = listen.lastIndexOf(":");
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(listen.slice(colon + 1));
  const finding = await checkPort(host, port);
  const ours = reached.answers && reached.endpoint.endsWith(`:${port}`);
  if (finding.status === "ok" || !ours) return finding;
  return { check: finding.check, status: "ok", detail: `${listen} is taken by the node that answers there` };
}

const SHOWN_STATUS = { ok: "ok  ", warn: "warn", bad: "bad " } as const;

async function printFindings(io: Io, print: Printer, findings: readonly Finding[]): Promise<void> {
  const paint = { ok: style.good, warn: style.warn, bad: style.bad } as const;
  for (const { check, status, detail, next } of findings) {
    await print.line(`${paint[status](io, "out", SHOWN_STATUS[status])}  ${check}: ${detail}`);
    if (next !== undefined) await print.line(`      ${next}`);
  }
}
