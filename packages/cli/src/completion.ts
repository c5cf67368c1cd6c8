import type { Command } from "commander";

export const SHELLS = ["bash", "zsh"] as const;
export type Shell = (typeof SHELLS)[number];

/** What may follow a command: its subcommands, and its options by their long names. */
interface Place {
  /** The command's words, each with a space before it; empty for the program itself. */
  readonly path: string;
  readonly words: readonly string[];
}

/** Its emulation of bash needs its own completion, which a bare shell has not loaded. */
const ZSH_AS_BASH = `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
autoload -Uz bashcompinit && bashcompinit
`;

/** A script that completes commands and options where a shell reads it; where neither fits it is files. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, "");
  const paths = places.flatMap(({ path }) => (path === "" ? [] : [`"${path}"`]));
  const cases = places.map(({ path, words }) => `  "${path}") words="${words.join(" ")}" ;;\n`);
  return `${shell === "zsh" ? ZSH_AS_BASH : ""}_hearsay() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$path $word" in
    ${paths.join(" | ")}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _hearsay hearsay
`;
}

function placesOf(command: Command, path: string): Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const options = help.visibleOptions(command).flatMap(({ long }) => (long == null ? [] : [long]));
  const words = [...commands.map((one) => one.name()), ...options];
  return [{ path, words }, ...commands.flatMap((one) => placesOf(one, `${path} ${one.name()}`))];
}
