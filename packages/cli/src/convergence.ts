/** Waiting until all members of a cluster hold the same. */
import type { ConvergenceReport } from "@hearsay/api";
import { type Client, HearsayError } from "@hearsay/client";
import { pause } from "./pause.ts";

const ASK_MS = 100;

export interface ConvergenceWait {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What the node says meanwhile. */
  readonly onReport?: (report: ConvergenceReport) => void;
}

/** The last report within the time: of a converged cluster, or of one that is not yet. */
export async function untilConverged(client: Client, wait: ConvergenceWait): Promise<ConvergenceReport> {
  const { signal, timeoutMs, onReport } = wait;
  const endMs = performance.now() + timeoutMs;
  let last: ConvergenceReport | undefined;
  for (;;) {
    try {
      last = await client.cluster.convergence({ signal });
      onReport?.(last);
    } catch (error) {
      // A node that starts answers in a moment; what it said before still is the last word.
      if (!(error instanceof HearsayError) || error.code !== "not_ready") throw error;
    }
    if (last !== undefined && (last.verdict === "converged" || performance.now() >= endMs)) return last;
    await pause(ASK_MS, signal);
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
