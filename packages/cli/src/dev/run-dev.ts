import { relative } from "node:path";
import { DEFAULT_PORT } from "@hearsay/api";
import { describeEnding, type Ending } from "@hearsay/chaos";
import type { DevFlags } from "../commands/dev.ts";
import { CliError, EXIT } from "../failure.ts";
import { invocation } from "../invocation.ts";
import { type Io, Stopped } from "../io.ts";
import { makeDirectory } from "../make-directory.ts";
import { rejectedBy } from "../pause.ts";
import { Printer, style } from "../printer.ts";
import { LocalCluster, type LocalNode } from "./local-cluster.ts";
import { choosePorts, recordedPorts, recordPorts } from "./ports.ts";

const DIRECTORY = ".hearsay/dev";

/** Clusters on other ports are other clusters, with data of their own. */
function directoryOf({ data, port }: DevFlags): string {
  return data ?? (port === undefined || port === DEFAULT_PORT ? DIRECTORY : `${DIRECTORY}-${port}`);
}

/** Runs a cluster until the process is asked to end, or no node is left. */
export async function runDev(io: Io, flags: DevFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const directory = directoryOf(flags);
  const recorded = await recordedPorts(directory);
  const { port, nodes } = flags;
  const ports = await choosePorts({ first: port, fallback: DEFAULT_PORT, count: nodes, recorded });
  makeDirectory(directory, "--data");
  await recordPorts(directory, ports, recorded);
  const noneLeft = new AbortController();
  const cluster: LocalCluster = new LocalCluster(
    { ports, directory, set: flags.set ?? [] },
    {
      complained: (name, text) => say(io, name, text),
      lost: (node, ending) => {
        say(io, node.name, lossOf(node, ending));
        if (cluster.running === 0) noneLeft.abort(nothingRuns());
      },
    },
  );
  try {
    if (!print.json) await print.note(`Starting ${nodes === 1 ? "a node" : `${nodes} nodes`} ...`);
    if (recorded.length > nodes) await print.note(notStarted(nodes, recorded.length, ports[0] ?? 0));
    await cluster.start(io.stopped);
    if (print.json) await print.document({ nodes: cluster.nodes.map(factsOf) });
    else await welcome(print, cluster.nodes);
    await rejectedBy(AbortSignal.any([io.stopped, noneLeft.signal]));
  } catch (error) {
    // Asked to end: that is how this command ends.
    if (!(error instanceof Stopped)) throw error;
  } finally {
    await stopAll(cluster, print);
  }
}

/** @throws CliError when a node did not stop by itself */
async function stopAll(cluster: LocalCluster, print: Printer): Promise<void> {
  const isQuiet = print.json || cluster.running === 0;
  if (!isQuiet) await print.note("Stopping ...");
  const unclean = (await cluster.stop()).filter(({ ending }) => !isClean(ending));
  if (unclean.length > 0) {
    const list = unclean.map(({ name, ending }) => `${name} ended with ${describeEnding(ending)}`);
    throw new CliError(list.join(", "), { code: "unclean_stop", exit: EXIT.error });
  }
  if (!isQuiet) await print.note("All nodes have stopped.");
}

/** One that had not even begun to start does not catch the signal. */
function isClean({ code, signal }: Ending): boolean {
  return code === 0 || signal === "SIGTERM";
}

/** Beside what the user sees; losing it is no reason to stop. */
export function say(io: Io, name: string, text: string): void {
  io.err.write(`${style.warn(io, "err", name)}: ${text}\n`).catch(() => undefined);
}

/** The ports of a node that was forgotten stay recorded: whether one is still a member, the cluster alone knows. */
function notStarted(nodes: number, known: number, port: number): string {
  const names = Array.from({ length: known - nodes }, (_, i) => `n${nodes + 1 + i}`);
  const [are, they, them] = names.length === 1 ? ["is", "it is", "it"] : ["are", "they are", "them"];
  return `${names.join(", ")} ${are} not started. Unless forgotten, ${they} still counted, and the cluster waits for ${them}.
Start ${them} as well with --nodes ${known}, or once the others take writes give ${them} up for good:
  ${names.map((name) => `${invocation()} forget ${name} -e http://127.0.0.1:${port}`).join("\n  ")}`;
}

function lossOf({ log }: LocalNode, ending: Ending): string {
  return `ended with ${describeEnding(ending)}; the others go on. Its log: ${log}`;
}

function nothingRuns(): CliError {
  return new CliError("no node runs any more", {
    code: "no_node_left",
    exit: EXIT.error,
    next: "The logs beside the data directories say why.",
  });
}

function factsOf({ name, ready, process, data, log }: LocalNode): object {
  return { name, id: ready.id, url: ready.url, pid: process.pid, data, log };
}

async function welcome(print: Printer, nodes: readonly LocalNode[]): Promise<void> {
  const rows = nodes.map(({ name, ready, data, log }) => [name, ready.url, shown(data), shown(log)]);
  await print.table(["NODE", "ADDRESS", "DATA", "LOG"], rows);
  const urls = nodes.map(({ ready }) => ready.url);
  const [first = "", last = first] = [urls[0], urls.at(-1)];
  const hearsay = invocation();
  await print.line(`
All take writes. Write on one, read on another:

  curl -X PUT -H 'Content-Type: text/plain' --data-raw 'hello, world' ${first}/kv/greeting
  curl ${last}/kv/greeting
  ${hearsay} status -e ${first}

The API is described at ${first}/docs. Ctrl-C stops all nodes; their data stays.`);
}

function shown(path: string): string {
  return relative(process.cwd(), path) || path;
}
