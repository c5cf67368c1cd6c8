/** Waiting until all members of a cluster hold the same, or one write, or until one node has caught up with the others. */
import type { ConvergenceReport, Readiness, ReceiptReport } from "@hearsay/api";
import { type Client, HearsayError } from "@hearsay/client";
import type { KeyVersion } from "./key-version.ts";
import { pause, TimeLimit } from "./pause.ts";
import { quantity } from "./quantity.ts";

const ASK_MS = 100;
/** A node that is asked just before the time is over has so long to answer. */
export const ANSWER_GRACE_MS = 2_000;

export interface Wait {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export interface ConvergenceWait extends Wait {
  /** What the node says meanwhile. */
  readonly onReport?: (report: ConvergenceReport) => void;
}

/** The last report within the time: of a converged cluster, or of one that is not yet; undefined as {@link untilSaid} has it. */
export async function untilConverged(
  client: Client,
  wait: ConvergenceWait,
): Promise<ConvergenceReport | undefined> {
  const ask = async (signal: AbortSignal): Promise<ConvergenceReport> => {
    const report = await client.cluster.convergence({ signal });
    wait.onReport?.(report);
    return report;
  };
  return await untilSaid(wait, ask, ({ verdict }) => verdict === "converged");
}

/** The last receipt within the time: with the write everywhere, or not yet; undefined as {@link untilSaid} has it. */
export async function untilEverywhere(
  client: Client,
  { key, version }: KeyVersion,
  wait: Wait,
): Promise<ReceiptReport | undefined> {
  const ask = (signal: AbortSignal, waitMs: number): Promise<ReceiptReport> =>
    client.cluster.receipt(key, version, { signal, waitMs });
  return await untilSaid(wait, ask, ({ everywhere }) => everywhere);
}

/** The last word of the node within the time: caught up, or not yet; undefined as {@link untilSaid} has it. */
export async function untilCaughtUp(client: Client, wait: Wait): Promise<Readiness | undefined> {
  return await untilSaid(wait, (signal) => client.readiness({ signal }), isCaughtUp);
}

const OF_CATCHING_UP: readonly string[] = ["joining", "complete"];

/** Whether the node is a member that holds what the others held when it came. While it starts it lists no such checks. */
export function isCaughtUp({ ready, checks = [] }: Readiness): boolean {
  return ready && OF_CATCHING_UP.every((wanted) => checks.some(({ name, ok }) => name === wanted && ok));
}

/** What keeps a node from having caught up, in its own words. */
export function describeCatchingUp({ checks = [] }: Readiness): string {
  const open = checks.filter(({ name, ok }) => !ok && (OF_CATCHING_UP.includes(name) || name === "retired"));
  return open.map(({ name, detail }) => `${name}: ${detail}`).join("; ") || "it is not ready";
}

/**
 * Asks until the answer is the one that is waited for, or the time is over.
 * @returns the last answer; undefined when the node has said nothing all the time, as one that starts for ever
 */
async function untilSaid<T>(
  wait: Wait,
  ask: (signal: AbortSignal, leftMs: number) => Promise<T>,
  isEnough: (answer: T) => boolean,
): Promise<T | undefined> {
  const endMs = performance.now() + wait.timeoutMs;
  const leftMs = (): number => Math.max(0, Math.ceil(endMs - performance.now()));
  const limit = new TimeLimit(wait.timeoutMs + ANSWER_GRACE_MS, wait.signal);
  const { signal } = limit;
  let last: T | undefined;
  try {
    for (;;) {
      last = (await unlessStarting(ask(signal, leftMs()))) ?? last;
      if ((last !== undefined && isEnough(last)) || leftMs() === 0) return last;
      await pause(ASK_MS, signal);
    }
  } catch (error) {
    if (limit.passed) return last;
    throw error;
  } finally {
    limit.end();
  }
}

/** Undefined of a node that starts: it answers in a moment, and what it said before still is the last word. */
async function unlessStarting<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof HearsayError && error.code === "not_ready") return undefined;
    throw error;
  }
}

/** Who differs or is away, in words. */
export function describeConvergence(report: ConvergenceReport): string {
  switch (report.verdict) {
    case "converged":
      return "all members hold the same";
    case "converging": {
      // 0 where the last exchange had nothing to move: how many there are is not known then either.
      const about = (report.keys ?? 0) === 0 ? "" : ` in about ${quantity(report.keys ?? 0, "key")}`;
      const { differing } = report;
      if (differing.length === 0) return "this node is still joining";
      return `${list(differing.map(({ name }) => name))} ${differing.length === 1 ? "differs" : "differ"}${about}`;
    }
    case "partitioned": {
      const away = report.sides.unreachable.map(({ name, state }) => `${name} (${state})`);
      return `cut off: ${list(away)}`;
    }
  }
}

function list(names: readonly string[]): string {
  return names.join(", ");
}
