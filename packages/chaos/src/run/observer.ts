/** Asks every node again and again what it says of its cluster. */
import { HearsayError } from "@hearsay/client";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";
import type { Target, Targets } from "./target.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 1_500;

export async function observe(targets: Targets, recorder: Recorder, signal: AbortSignal): Promise<void> {
  await Promise.all(
    targets.all.map(async (target) => {
      while (!signal.aborted) {
        await askOnce(targets, target, recorder);
        await pause(EVERY_MS, signal);
      }
    }),
  );
}

/** Undefined when it did not answer. */
export async function askOnce(
  targets: Targets,
  target: Target,
  recorder: Recorder,
): Promise<Said | undefined> {
  const { cluster } = targets.client(target);
  const askedMs = recorder.nowMs();
  try {
    const [status, report] = [
      await cluster.status({ timeoutMs: TIMEOUT_MS }),
      await cluster.convergence({ timeoutMs: TIMEOUT_MS }),
    ];
    const atMs = recorder.nowMs();
    const { watermark, watermarkAgeMs, writable, node: id } = status;
    const members = status.members.map(({ id, name, state }) => ({ id, name, state }));
    const watermarkMs = watermark === null ? null : Date.parse(watermark);
    const node = target.name;
    const times = { askedMs, atMs };
    recorder.record({ type: "status", ...times, node, id, watermarkMs, watermarkAgeMs, writable, members });
    const { verdict } = report;
    const keys = report.verdict === "converging" ? report.keys : null;
    recorder.record({ type: "verdict", atMs, node, verdict, keys });
    return { id, verdict, watermarkMs, writable, members };
  } catch (error) {
    if (!(error instanceof HearsayError)) throw error;
    const atMs = recorder.nowMs();
    recorder.record({ type: "verdict", atMs, node: target.name, verdict: "unreachable", keys: null });
    return undefined;
  }
}

export interface Said {
  readonly id: string;
  readonly verdict: "converged" | "converging" | "partitioned";
  readonly watermarkMs: number | null;
  readonly writable: boolean;
  readonly members: readonly { readonly id: string; readonly name: string; readonly state: string }[];
}
