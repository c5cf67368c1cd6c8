import { Argument, type Command } from "commander";
import { completionScript, SHELLS, type Shell } from "../completion.ts";
import type { Io } from "../io.ts";

export function addCompletion(program: Command, io: Io): void {
  program
    .command("completion")
    .summary("complete commands in a shell")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText(
      "before",
      `Examples:
  source <(hearsay completion bash)
  hearsay completion bash > ~/.local/share/bash-completion/completions/hearsay
  source <(hearsay completion zsh)
`,
    )
    .description("Prints a script that completes commands and options; the shell has to read it.")
    .action((shell: Shell) => io.out.write(completionScript(program, shell)));
}
