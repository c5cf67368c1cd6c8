import { HearsayError } from "@hearsay/client";
import { CommanderError } from "commander";
import { Stopped } from "./io.ts";

/** Exit codes, part of the command's contract. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  preconditionFailed: 4,
  unreachable: 5,
  timedOut: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure that a command found itself. */
export class CliError extends Error {
  readonly code: string;
  readonly exit: ExitCode;
  /** The step to take. */
  readonly next: string | undefined;

  constructor(
    message: string,
    facts: { readonly code: string; readonly exit: ExitCode; readonly next?: string | undefined },
  ) {
    super(message);
    this.name = "CliError";
    this.code = facts.code;
    this.exit = facts.exit;
    this.next = facts.next;
  }
}

/** The command ran another one, and ends as that did. Everything there is to say that one has said. */
export class ExitWith extends Error {
  readonly exit: number;

  constructor(exit: number) {
    super(`the command ended with ${exit}`);
    this.name = "ExitWith";
    this.exit = exit;
  }
}

/** What is told to the user about a failure, in words or as JSON. */
export interface Report {
  readonly code: string;
  readonly message: string;
  readonly next?: string | undefined;
  /** Of a write: `none` or `unknown`. */
  readonly outcome?: string | undefined;
  readonly exit: number;
}

const EXIT_BY_CODE: ReadonlyMap<string, ExitCode> = new Map([
  ["not_found", EXIT.notFound],
  ["member_not_found", EXIT.notFound],
  ["ghost_not_found", EXIT.notFound],
  ["precondition_failed", EXIT.preconditionFailed],
  ["unreachable", EXIT.unreachable],
  ["peer_unreachable", EXIT.unreachable],
  ["timed_out", EXIT.timedOut],
  ["ack_timeout", EXIT.timedOut],
  ["not_yet", EXIT.timedOut],
  ["no_such_sibling", EXIT.notFound],
  ["missing_keys", EXIT.notFound],
  ["apply_conflict", EXIT.preconditionFailed],
  ["concurrent_values", EXIT.preconditionFailed],
  ["not_everywhere", EXIT.timedOut],
  ["settings_invalid", EXIT.usage],
  ["unknown_fault", EXIT.usage],
  ["bad_workload", EXIT.usage],
  ["bad_key", EXIT.usage],
  ["invalid_key", EXIT.usage],
  ["bad_header", EXIT.usage],
  ["peer_address_refused", EXIT.usage],
  ["invalid_query", EXIT.usage],
  ["invalid_header", EXIT.usage],
  ["invalid_context", EXIT.usage],
  ["invalid_cursor", EXIT.usage],
  ["cursor_of_other_cluster", EXIT.usage],
  ["ack_exceeds_members", EXIT.usage],
]);

/** Undefined when there is nothing to say: help was shown, or the user or another command has ended it. */
export function reportOf(error: unknown): Report | undefined {
  if (error instanceof Stopped || error instanceof ExitWith) return undefined;
  if (error instanceof CommanderError) return reportOfUsage(error);
  if (error instanceof CliError) {
    return { code: error.code, message: error.message, next: error.next, exit: error.exit };
  }
  if (error instanceof HearsayError) return reportOfClient(error);
  if (isFaulty(error)) {
    const next = "next" in error && typeof error.next === "string" ? error.next : undefined;
    const { code } = error.fault;
    return {
      code,
      message: error.message,
      next: next ?? NEXT_BY_CODE.get(code),
      exit: EXIT_BY_CODE.get(code) ?? EXIT.error,
    };
  }
  if (isSystemError(error)) {
    const code = error.code.toLowerCase();
    return { code, message: error.message, next: NEXT_BY_CODE.get(code), exit: EXIT.error };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: "internal",
    message,
    next: "This is a defect of hearsay; please report it.",
    exit: EXIT.error,
  };
}

export function exitOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ExitWith) return error.exit;
  if (error instanceof Stopped) return error.signalName === "SIGINT" ? 130 : 143;
  return reportOf(error)?.exit ?? EXIT.error;
}

function reportOfUsage({ code, message, exitCode }: CommanderError): Report | undefined {
  if (exitCode === 0 || code === "commander.help") return undefined;
  return {
    // commander.unknownOption is unknown_option.
    code: code.replace(/^commander\./, "").replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    message: message.replace(/^error: /, ""),
    next: "Add --help to the command: it starts with examples.",
    exit: EXIT.usage,
  };
}

function reportOfClient(error: HearsayError): Report {
  const { fault } = error;
  return {
    code: error.code,
    message: error.message,
    next: fault.code === "problem" ? fault.problem.next : NEXT_BY_FAULT[fault.code],
    outcome: error.outcome === "unknown" ? "unknown" : undefined,
    exit: EXIT_BY_CODE.get(error.code) ?? EXIT.error,
  };
}

/** Of the system's errors, and of those of packages that do not know what the command was. */
const NEXT_BY_CODE: ReadonlyMap<string, string> = new Map([
  ["enoent", "Check the path: nothing is there."],
  ["eisdir", "Name a file: that is a directory."],
  ["enotdir", "Check the path: a part of it is a file."],
  ["eacces", "Run it as a user who may do that, or name another place."],
  ["erofs", "Name a place that is not on a read-only file system."],
  ["enospc", "Free some space, or write to another place; what went to standard output is not whole."],
  ["snapshot_truncated", "It is not whole: save it anew with hearsay snapshot save, or use an earlier one."],
  ["snapshot_corrupt", "It cannot be used: save it anew with hearsay snapshot save, or use an earlier one."],
]);

const NEXT_BY_FAULT = {
  unreachable: "Start a node with: hearsay serve. Or name one with --endpoint or HEARSAY_ENDPOINT.",
  timed_out: "Try again, with a longer --timeout if need be.",
  bad_answer: "Check that the endpoint is a Hearsay node, and its version with: hearsay version.",
  bad_header: "Correct the content type, context or version.",
  bad_key: "Use a key of 1 to 1024 bytes.",
  no_such_sibling: "List the siblings again with: hearsay get KEY --siblings.",
} as const;

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}

/** Errors of the other packages carry `{ code, ...facts }`; loading those packages just to name them would be slow. */
function isFaulty(error: unknown): error is Error & { readonly fault: { readonly code: string } } {
  if (!(error instanceof Error) || !("fault" in error)) return false;
  const { fault } = error;
  return typeof fault === "object" && fault !== null && "code" in fault && typeof fault.code === "string";
}
