import { performance } from "node:perf_hooks";
import {
  batchesOf,
  type Change,
  guardDeletes,
  heldBelow,
  type Plan,
  planLines,
  planOf,
  readDirectory,
  writePlan,
} from "@hearsay/agent";
import type { ApplyFlags } from "./commands/apply.ts";
import { confirm } from "./confirm.ts";
import { CliError, EXIT } from "./failure.ts";
import { paintPlanLine } from "./plan-output.ts";
import { ProgressLine } from "./progress.ts";
import { quantity } from "./quantity.ts";
import type { Session } from "./session.ts";

const WAIT_MS = 60_000;

/** Shows the plan on standard error and what was done on standard output. */
export async function apply(session: Session, directory: string, flags: ApplyFlags): Promise<void> {
  const { client, io, print, signal, curl } = session;
  const { prefix, exclude = [], maxValue: maxValueBytes } = flags;
  if (flags.prune === true && prefix === "") {
    throw new CliError("--prune needs a prefix: with an empty one it would delete other people's keys", {
      code: "usage",
      exit: EXIT.usage,
    });
  }
  const files = await readDirectory(directory, { prefix, exclude, maxValueBytes });
  const begun = performance.now();
  const held = await heldBelow(client, prefix, signal);
  const plan = planOf(files, held, flags.prune === true);
  const counts = countsOf(plan);
  const batches = batchesOf(plan.changes).length;
  if (!print.json) for (const line of planLines(plan)) await io.err.write(`${paintPlanLine(io, line)}\n`);
  const { created, updated, deleted } = counts;
  const summary = `${created} to create, ${updated} to update, ${deleted} to delete, ${plan.unchanged} as they are`;
  const left = plan.left === 0 ? "" : `, ${plan.left} without a file stay (--prune deletes them)`;
  const split = batches > 1 ? `; ${batches} batches, each atomic on its node` : "";
  if (!print.json) await print.note(`${summary}${left}${split}`);
  if (flags.allowMassDelete !== true) guardDeletes(plan, flags.maxDeletePercent);
  if (flags.dryRun === true || plan.changes.length === 0) {
    return await report(session, { ...counts, batches, dryRun: flags.dryRun === true, seconds: undefined });
  }
  if (deleted > 0 && !curl) await confirm(io, `Delete ${quantity(deleted, "key")}?`, flags);
  const progress = new ProgressLine(io, () => performance.now());
  await writePlan(client, plan, {
    signal,
    prefix,
    waitMs: flags.wait === true ? (flags.timeout ?? WAIT_MS) : undefined,
    nowMs: () => performance.now(),
    onProgress: (written) =>
      progress.update(() => `${written} of ${quantity(plan.changes.length, "key")} written`),
  }).finally(() => progress.end());
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(3));
  await report(session, { ...counts, batches, dryRun: false, seconds, everywhere: flags.wait === true });
}

interface Counts {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  readonly unchanged: number;
  readonly left: number;
}

function countsOf({ changes, unchanged, left }: Plan): Counts {
  const count = (kind: Change["kind"]): number => changes.filter((change) => change.kind === kind).length;
  return { created: count("create"), updated: count("update"), deleted: count("delete"), unchanged, left };
}

interface Done extends Counts {
  readonly batches: number;
  readonly dryRun: boolean;
  readonly seconds: number | undefined;
  readonly everywhere?: boolean;
}

async function report({ print }: Session, done: Done): Promise<void> {
  if (print.json) return await print.document(done);
  if (done.dryRun) return await print.line("nothing was written: dry run");
  const keys = done.created + done.updated + done.deleted;
  if (done.seconds === undefined) return await print.line("nothing to do");
  const where = done.everywhere === true ? "held by every member" : "written";
  await print.line(`${quantity(keys, "key")} ${where} in ${done.seconds} s`);
}
