/** A command that is started anew with each environment, or told of it by a signal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { AgentError, reasonOf } from "../fault.ts";

export interface ChildOptions {
  readonly words: readonly string[];
  /** Sent on a change instead of a restart. */
  readonly signal: NodeJS.Signals | undefined;
  /** Between SIGTERM and SIGKILL when it is restarted. */
  readonly killAfterMs: number;
  /** Beside the values. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export class SupervisedChild {
  readonly #options: ChildOptions;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #expected = false;
  #startsNoMore = false;
  #onExit: (code: number) => void = () => undefined;
  /** Settles when the command ends by itself, with its exit code; of a signal 128 and its number, as shells have it. */
  readonly exit: Promise<number>;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.exit = new Promise((resolve) => {
      this.#onExit = resolve;
    });
  }

  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** Starts the command, or brings the change to the one that runs. @throws AgentError `command_not_started` when it cannot start */
  async use(variables: Readonly<Record<string, string>>): Promise<void> {
    const { signal } = this.#options;
    if (this.#child === undefined) return await this.#start(variables);
    if (signal !== undefined) {
      this.#child.kill(signal);
      return;
    }
    await this.#end();
    if (!this.#startsNoMore) await this.#start(variables);
  }

  /** Nothing takes the place of what is being ended. */
  startNoMore(): void {
    this.#startsNoMore = true;
  }

  send(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Asks it to end with the signal, kills it when it does not. Its exit code is `exit`'s. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.#child === undefined) return this.#onExit(128 + constants.signals[signal]);
    const child = this.#child;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), this.#options.killAfterMs);
    await this.#gone;
    clearTimeout(timer);
  }

  async #start(variables: Readonly<Record<string, string>>): Promise<void> {
    const { words, environment } = this.#options;
    const [file = "", ...rest] = words;
    this.#expected = false;
    let child: ChildProcess;
    try {
      child = spawn(file, rest, { stdio: "inherit", env: { ...environment, ...variables } });
      await once(child, "spawn");
    } catch (error) {
      const fault = { code: "command_not_started", command: file, reason: reasonOf(error) } as const;
      throw new AgentError(fault, { cause: error });
    }
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#child = undefined;
        if (!this.#expected) this.#onExit(code ?? 128 + constants.signals[signal ?? "SIGKILL"]);
        resolve();
      });
    });
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#expected = true;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), this.#options.killAfterMs);
    await this.#gone;
    clearTimeout(timer);
  }
}
