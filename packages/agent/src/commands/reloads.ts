/**
 * Reload commands that several files share. A run serves every request that was made before it began; requests that come
 * while it runs share the next one. So ten files that change together reload nginx once or twice, not ten times, and each
 * file is followed by a reload that began after it was in place.
 */
import { type CommandLine, type CommandRun, runCommand } from "./run-command.ts";

export class Reloads {
  readonly #run: (run: CommandRun) => Promise<void>;
  readonly #lines: Map<string, { running: Promise<void>; next: Promise<void> | undefined }> = new Map();

  constructor(run: (run: CommandRun) => Promise<void> = runCommand) {
    this.#run = run;
  }

  /** Settles with a run that began after this call. @throws AgentError `command_failed`, `command_timed_out` */
  request(run: CommandRun): Promise<void> {
    const key = keyOf(run.command, run.facts);
    const line = this.#lines.get(key);
    if (line === undefined) return this.#begin(key, run);
    line.next ??= line.running.then(
      () => this.#begin(key, run),
      () => this.#begin(key, run),
    );
    return line.next;
  }

  #begin(key: string, run: CommandRun): Promise<void> {
    const running = this.#run(run);
    const line = { running, next: undefined };
    this.#lines.set(key, line);
    const done = (): void => {
      if (this.#lines.get(key) === line && line.next === undefined) this.#lines.delete(key);
    };
    running.then(done, done);
    return running;
  }
}

/** A command that names its file is one of its own. */
function keyOf(command: CommandLine, facts: CommandRun["facts"]): string {
  const text = JSON.stringify(command);
  return /\{[a-z]+\}|HEARSAY_/.test(text) ? `${text} ${JSON.stringify(facts)}` : text;
}
