import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DevFlags } from "../commands/dev.ts";
import { CliError, EXIT, reportOf } from "../failure.ts";
import { type Io, Stopped } from "../io.ts";
import { makeDirectory } from "../make-directory.ts";
import { Printer } from "../printer.ts";
import { LocalCluster } from "./local-cluster.ts";
import { choosePorts, recordedPorts, recordPorts } from "./ports.ts";
import { say } from "./run-dev.ts";
import { Smoke } from "./smoke.ts";

/** Checks that a cluster works on this machine. Fails with what does not; then the data and the logs are kept. */
export async function runSmoke(io: Io, flags: DevFlags): Promise<void> {
  if (flags.nodes < 2) {
    throw new CliError("one node is no cluster", {
      code: "usage",
      exit: EXIT.usage,
      next: "Give --nodes 2 or more.",
    });
  }
  const print = new Printer(io, { json: flags.json === true });
  if (flags.data !== undefined) makeDirectory(flags.data, "--data");
  const recorded = flags.data === undefined ? [] : await recordedPorts(flags.data);
  const ports = await choosePorts({ first: flags.port, fallback: 0, count: flags.nodes, recorded });
  const directory = flags.data ?? (await mkdtemp(join(tmpdir(), "hearsay-smoke-")));
  await recordPorts(directory, ports, recorded);
  // Nothing is waited for any longer once a node has ended by itself.
  const lost = new AbortController();
  const cluster = new LocalCluster(
    { ports, directory, set: flags.set ?? [] },
    {
      complained: (name, text) => say(io, name, text),
      lost: ({ name, log }, { code, signal }) =>
        lost.abort(
          new CliError(`${name} ended by itself with ${signal ?? `code ${code}`}`, {
            code: "node_ended",
            exit: EXIT.error,
            next: `Its log: ${log}`,
          }),
        ),
    },
  );
  const startedMs = performance.now();
  const done: string[] = [];
  const tell = async (step: string): Promise<void> => {
    done.push(step);
    if (!print.json)
      await print.line(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s  ${step}`);
  };
  try {
    await new Smoke(cluster, AbortSignal.any([io.stopped, lost.signal]), tell).run();
    await cluster.stop();
    await tell("all nodes stopped");
    if (print.json) await print.document({ ok: true, steps: done });
    else await print.line("It works.");
    if (flags.data === undefined) await rm(directory, { recursive: true });
  } catch (error) {
    await cluster.stop();
    if (error instanceof Stopped) {
      if (flags.data === undefined) await rm(directory, { recursive: true });
      throw error;
    }
    const report = reportOf(lost.signal.aborted ? lost.signal.reason : error);
    throw new CliError(`${report?.message ?? String(error)}`, {
      code: report?.code ?? "smoke_failed",
      exit: EXIT.error,
      next: `It happened after: ${done.at(-1) ?? "nothing"}. Data and logs are kept in ${directory}.`,
    });
  }
}
