/** What the commands that talk to a node have in common. */
import { DEFAULT_ENDPOINT } from "@hearsay/api";
import { Client, type Platform } from "@hearsay/client";
import type { Command } from "commander";
import { CurlPrinted, toCurl } from "./curl.ts";
import { CliError, EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { fromOneNode } from "./one-node.ts";
import { collect, duration } from "./options.ts";
import { patientFetch } from "./patient-fetch.ts";
import { Printer } from "./printer.ts";

export interface ClientFlags {
  readonly endpoint?: readonly string[];
  readonly timeout?: number;
  readonly json?: boolean;
  readonly curl?: boolean;
}

export interface Session {
  readonly client: Client;
  readonly io: Io;
  readonly print: Printer;
  /** Goes with every call of the client. */
  readonly signal: AbortSignal;
  /** With --curl: the command's request is printed, not made. */
  readonly curl: boolean;
  /**
   * For reads alone, that are put together: one node answers all that is asked meanwhile. Not while another one runs.
   * @returns rejects with CliError `several_nodes` where that node is not met again
   */
  ofOneNode<T>(reads: (session: Session) => Promise<T>): Promise<T>;
}

export function withClientFlags(command: Command): Command {
  return command
    .optionsGroup("Connection:")
    .option("-e, --endpoint <url>", "node to talk to; repeat it to name others to fall back on", collect)
    .option("--timeout <duration>", "longest wait for an answer", duration)
    .option("--curl", "print the request as a curl command instead of making it")
    .optionsGroup("Output:")
    .option("--json", "print data as JSON");
}

/** The nodes to try, in order: flags, then HEARSAY_ENDPOINT (several separated by commas), then this machine. */
export function endpointsOf(flags: Pick<ClientFlags, "endpoint">, env: Io["env"]): readonly string[] {
  if (flags.endpoint !== undefined) return flags.endpoint;
  const named = (env["HEARSAY_ENDPOINT"] ?? "").split(",").map((text) => text.trim());
  const given = named.filter((text) => text !== "");
  return given.length > 0 ? given : [DEFAULT_ENDPOINT];
}

/** For what is about one node: the next endpoint must not act or answer in place of one that does not, or that was asked first. */
export function requireOneEndpoint(io: Io, flags: ClientFlags): void {
  if (endpointsOf(flags, io.env).length === 1) return;
  throw new CliError("this is about one node, and several endpoints are given", {
    code: "usage",
    exit: EXIT.usage,
    next: "Give one --endpoint.",
  });
}

export interface SessionNeeds {
  /** The file the request's body comes from, for --curl; `-` for standard input. */
  readonly bodyFile?: string | undefined;
  /** How often every endpoint is tried, instead of the client's own number. */
  readonly rounds?: number;
}

/**
 * For what runs for longer than a person at a prompt would wait, as nodes under load ask for that: ten seconds on average,
 * and longer where a node says so with Retry-After.
 */
export const PATIENT_ROUNDS = 12;

/** Runs a command with a client for its flags. */
export async function inSession(
  io: Io,
  flags: ClientFlags,
  command: (session: Session) => Promise<void>,
  needs: SessionNeeds = {},
): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const endpoints = endpointsOf(flags, io.env);
  const options = {
    endpoints,
    ...(flags.timeout === undefined ? undefined : { timeoutMs: flags.timeout }),
    ...(needs.rounds === undefined ? undefined : { retry: { rounds: needs.rounds } }),
  };
  try {
    if (flags.curl !== true) {
      let ask: Platform["fetch"] = patientFetch;
      const client = new Client({ ...options, platform: { fetch: (url, init) => ask(url, init) } });
      const session: Session = {
        client,
        io,
        print,
        signal: io.stopped,
        curl: false,
        ofOneNode: (reads) => {
          const astray = new AbortController();
          ask = fromOneNode(patientFetch, (error) => astray.abort(error));
          return reads({ ...session, signal: AbortSignal.any([io.stopped, astray.signal]) }).finally(() => {
            ask = patientFetch;
          });
        },
      };
      await command(session);
      return;
    }
    const printed = new AbortController();
    const platform = {
      fetch: async (url: string, init: Parameters<typeof toCurl>[1]): Promise<Response> => {
        await io.out.write(`${toCurl(url, init, needs.bodyFile)}\n`);
        const done = new CurlPrinted();
        printed.abort(done);
        throw done;
      },
    };
    const client = new Client({ ...options, platform, batchFormat: "json" });
    const session: Session = {
      client,
      io,
      print,
      signal: printed.signal,
      curl: true,
      ofOneNode: (reads) => reads(session),
    };
    await command(session);
  } catch (error) {
    if (error instanceof CurlPrinted) return;
    if (error instanceof TypeError && error.message.includes("URL")) {
      throw new CliError(error.message, { code: "bad_endpoint", exit: EXIT.usage });
    }
    throw error;
  }
}
