/** Waiting until all members of a cluster hold the same. */
import type { ConvergenceReport } from "@hearsay/api";
import { type Client, HearsayError } from "@hearsay/client";
import { pause, TimeLimit } from "./pause.ts";

const ASK_MS = 100;
/** A node that is asked just before the time is over has so long to answer. */
export const ANSWER_GRACE_MS = 2_000;

export interface ConvergenceWait {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What the node says meanwhile. */
  readonly onReport?: (report: ConvergenceReport) => void;
}

/**
 * The last report within the time: of a converged cluster, or of one that is not yet; undefined when the node has said
 * nothing of it all the time.
 */
export async function untilConverged(
  client: Client,
  wait: ConvergenceWait,
): Promise<ConvergenceReport | undefined> {
  const endMs = performance.now() + wait.timeoutMs;
  const limit = new TimeLimit(wait.timeoutMs + ANSWER_GRACE_MS, wait.signal);
  const { signal } = limit;
  let last: ConvergenceReport | undefined;
  try {
    for (;;) {
      last = (await reportOf(client, signal)) ?? last;
      if (last !== undefined) wait.onReport?.(last);
      if (last?.verdict === "converged" || performance.now() >= endMs) return last;
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
async function reportOf(client: Client, signal: AbortSignal): Promise<ConvergenceReport | undefined> {
  try {
    return await client.cluster.convergence({ signal });
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
      const about = report.keys === null ? "" : ` in about ${report.keys} keys`;
      const { differing } = report;
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
