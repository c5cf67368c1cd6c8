import { Command, Help } from "commander";
import { packageVersion } from "./build.ts";
import { addAgent } from "./commands/agent.ts";
import { addApply } from "./commands/apply.ts";
import { addChaos } from "./commands/chaos.ts";
import { addClusterCommands } from "./commands/cluster.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfigCommands } from "./commands/config.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExec } from "./commands/exec.ts";
import { addGhosts } from "./commands/ghosts.ts";
import { addKeyCommands } from "./commands/keys.ts";
import { addMembershipCommands } from "./commands/membership.ts";
import { addRepairCommands } from "./commands/repair.ts";
import { addReset } from "./commands/reset.ts";
import { addResolve } from "./commands/resolve.ts";
import { addRollback } from "./commands/rollback.ts";
import { addServe } from "./commands/serve.ts";
import { addSim } from "./commands/sim.ts";
import { addSnapshotCommands } from "./commands/snapshot.ts";
import { addTop } from "./commands/top.ts";
import { addTransferCommands } from "./commands/transfer.ts";
import { addVerify } from "./commands/verify.ts";
import { addVersion } from "./commands/version.ts";
import { addVersionCommands } from "./commands/versions.ts";
import { addWatch } from "./commands/watch.ts";
import type { Io } from "./io.ts";

const help = new Help();

/** All commands. Nothing here ends the process: commander's exits are thrown. */
export function buildProgram(io: Io): Command {
  const program = new Command("hearsay")
    .description("An eventually consistent, replicated key-value store.")
    .addHelpText(
      "before",
      `Examples:
  hearsay dev
  hearsay serve --data ./data
  hearsay put greeting 'hello, world'
  hearsay get greeting
`,
    )
    .addHelpText(
      "after",
      `
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 precondition failed, 5 unreachable, 6 not converged or timed out.
Client commands talk to --endpoint, else HEARSAY_ENDPOINT, else http://127.0.0.1:7171.`,
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpCommand("help [command]", "show the help of a command")
    // Broken at the terminal's width only, not where the source breaks.
    .configureHelp({
      commandDescription: (command) => command.description().replaceAll("\n", " "),
      // Ours say it as it is typed; it would be added once more as it is parsed: 1000 after 1s.
      optionDescription: (option) =>
        option.description.includes("(default: ") ? option.description : help.optionDescription(option),
    })
    .configureOutput({
      writeOut: (text) => void io.out.write(text),
      writeErr: (text) => void io.err.write(text),
      // They are thrown as well, and told as every other failure is.
      outputError: () => undefined,
      getOutHasColors: () => io.out.isTerminal && (io.env["NO_COLOR"] ?? "") === "",
      getErrHasColors: () => io.err.isTerminal && (io.env["NO_COLOR"] ?? "") === "",
    })
    .exitOverride();
  program.commandsGroup("Run:");
  addServe(program, io);
  addDev(program, io);
  program.commandsGroup("Keys:");
  addKeyCommands(program, io);
  addVersionCommands(program, io);
  addResolve(program, io);
  addWatch(program, io);
  addRollback(program, io);
  program.commandsGroup("Configuration:");
  addApply(program, io);
  addAgent(program, io);
  addExec(program, io);
  program.commandsGroup("Cluster:");
  addClusterCommands(program, io);
  addGhosts(program, io);
  addRepairCommands(program, io);
  addMembershipCommands(program, io);
  addReset(program, io);
  addTop(program, io);
  program.commandsGroup("Data:");
  addTransferCommands(program, io);
  addSnapshotCommands(program, io);
  addVerify(program, io);
  program.commandsGroup("Prove:");
  addChaos(program, io);
  addSim(program, io);
  program.commandsGroup("Other:");
  addConfigCommands(program, io);
  addDoctor(program, io);
  addCompletion(program, io);
  addVersion(program, io);
  return program;
}
