import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Io } from "../io.ts";
import { collect, count, duration } from "../options.ts";

export interface ChaosFlags {
  readonly nodes: number;
  readonly minutes: number;
  readonly faults?: readonly string[];
  readonly seed?: number;
  readonly workload?: string;
  readonly settle: number;
  readonly report?: string;
  readonly endpoints?: readonly string[];
  readonly check?: string;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

const NODES_MAX = 32;
const MINUTES_MAX = 10_000;
const DEFAULT_NODES = 5;
const DEFAULT_MINUTES = 3;
const DEFAULT_SETTLE_MS = 10_000;
const SEED_MAX = 2 ** 31 - 1;

export function addChaos(program: Command, io: Io): void {
  program
    .command("chaos")
    .summary("break a cluster of real processes, and check that it keeps its promises")
    .addHelpText(
      "before",
      `Examples:
  hearsay chaos
  hearsay chaos --nodes 3 --minutes 1 --faults kill,pause,partition --seed 7
  hearsay chaos --faults -disk --workload mine.yaml --report out
  hearsay chaos --endpoints http://n1:7171,http://n2:7171    your own cluster: workload and checks only
  hearsay chaos --check out/history.ndjson                   check a recorded run again
  hearsay chaos --check out/history.ndjson --report again    and write its report anew
`,
    )
    .description(
      `Starts nodes, each a process with a data directory of its own, breaks them, their links, disks and clocks, lets sessions
write, read, delete and resolve meanwhile, and checks by HTTP alone that no acknowledged write is lost, nothing deleted comes
back, and everything the nodes claim is true. Keeps the history, a report (HTML and Markdown) and the logs. Exits with 6 when the
nodes did not agree in time, and with 1 for anything else that does not hold. docs/chaos.md has the exact meaning of each check.`,
    )
    .option("--nodes <n>", `how many (default: ${DEFAULT_NODES})`, nodes, DEFAULT_NODES)
    .option(
      "--minutes <m>",
      `how long faults and work go on (default: ${DEFAULT_MINUTES})`,
      minutes,
      DEFAULT_MINUTES,
    )
    .option(
      "--faults <list>",
      "names, groups (network, process, disk, clock), all or none; -NAME leaves one out",
      list,
    )
    .option("--seed <n>", "decides all that happens (default: a random one)", seed)
    .option("--workload <file>", "what sessions do, as YAML or JSON")
    .option(
      "--settle <duration>",
      "how long the nodes have to agree in the end (default: 10s)",
      duration,
      DEFAULT_SETTLE_MS,
    )
    .option(
      "--report <dir>",
      "gets history, report and logs, and has none yet (default: .hearsay/chaos-SEED, or -SEED-2 and so on)",
    )
    .addOption(
      new Option("--endpoints <list>", "nodes of a running cluster; nothing is started and nothing broken")
        .argParser(list)
        .conflicts(["nodes", "faults", "set"]),
    )
    .option("--check <file>", "check a recorded history, and start nothing")
    .option("--set <knob=value>", "any setting of the nodes; repeat it for more", collect)
    .option("--json", "print data as JSON")
    .action(async (flags: ChaosFlags) => {
      const { runChaos } = await import("../chaos/run-chaos.ts");
      await runChaos(io, flags);
    });
}

function nodes(text: string): number {
  const value = count(text);
  if (value > NODES_MAX) throw new InvalidArgumentError(`Give a number from 1 to ${NODES_MAX}.`);
  return value;
}

function minutes(text: string): number {
  const value = /^\d{1,5}(?:\.\d{1,4})?$/.test(text) ? Number(text) : 0;
  if (value <= 0 || value > MINUTES_MAX)
    throw new InvalidArgumentError("Give a number of minutes, for instance 3 or 0.5.");
  return value;
}

function seed(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > SEED_MAX)
    throw new InvalidArgumentError(`Give a whole number from 0 to ${SEED_MAX}.`);
  return value;
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}
