/**
 * A command with values as its environment. The same rules as for files: whole values only, nothing while the prefixes
 * are not synced but for the last good copy at the start, and a prefix that lost all its keys changes nothing.
 */
import { AgentError, reasonOf } from "../fault.ts";
import { StateDirectory } from "../files/state-directory.ts";
import type { AgentPorts } from "../ports.ts";
import { Schedule, type ScheduleInput, type Timing } from "../run/schedule.ts";
import { DEFAULTS } from "../settings/settings.ts";
import type { Source } from "../values/source.ts";
import { Views } from "../values/views.ts";
import { environmentOf, type PrefixValues } from "./environment.ts";
import { type ChildOptions, SupervisedChild } from "./supervised-child.ts";

export interface ExecOptions extends ChildOptions {
  readonly prefixes: readonly string[];
  readonly source: Source;
  readonly ports: AgentPorts;
  /** Where last good copies are kept; undefined: nowhere, so nothing starts while no node answers. */
  readonly state: string | undefined;
  readonly splayMs: number;
  readonly allowEmpty: boolean;
}

export class RunningExec {
  readonly child: SupervisedChild;
  readonly #options: ExecOptions;
  readonly #views: Views;
  readonly #schedule: Schedule;
  #state: StateDirectory | undefined;
  #variables: string | undefined;
  /** Keys that each prefix had when it was last used, by an earlier exec too. */
  readonly #counts: Map<string, number> = new Map();
  #running: Promise<void> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;
  #failure: (error: unknown) => void = () => undefined;
  #stopped = false;

  constructor(options: ExecOptions) {
    const { prefixes, source, ports, splayMs } = options;
    this.#options = options;
    this.child = new SupervisedChild(options);
    this.#schedule = new Schedule(timingOf(splayMs), () => ports.random());
    this.#views = new Views(prefixes, {
      source,
      ports,
      startWaitMs: DEFAULTS.startWaitMs,
      loadCopy: async (prefix) => await this.#state?.loadCopy(prefix),
      onChange: (_, valuesChanged) => {
        if (valuesChanged) this.#step({ kind: "changed" });
        this.#step({ kind: "prefixes", are: this.#views.readiness(prefixes) });
      },
    });
  }

  /**
   * Settles with the command's exit code once it has ended by itself or by `stop`.
   * @throws AgentError when it cannot be started for the first time
   */
  async run(): Promise<number> {
    const { state } = this.#options;
    if (state !== undefined) await this.#remember(state);
    const failed = new Promise<never>((_, reject) => {
      this.#failure = reject;
    });
    this.#views.start();
    try {
      return await Promise.race([this.child.exit, failed]);
    } finally {
      this.#stopped = true;
      this.#cancelTimer();
      await this.#views.stop();
    }
  }

  /** Hands the signal to the command, and kills it when it does not end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#stopped = true;
    this.child.startNoMore();
    await this.#running;
    await this.child.stop(signal);
  }

  #step(input: ScheduleInput): void {
    if (this.#stopped) return;
    const { ports } = this.#options;
    if (this.#schedule.step(input, ports.nowMs()) === "run") this.#running = this.#apply();
    this.#cancelTimer();
    const { wakeMs } = this.#schedule;
    if (wakeMs === undefined) return;
    const afterMs = Math.max(0, Math.ceil(wakeMs - ports.nowMs()));
    this.#cancelTimer = ports.after(afterMs, () => this.#step({ kind: "clock" }));
  }

  async #remember(path: string): Promise<void> {
    const state = await StateDirectory.open(path);
    this.#state = state;
    for (const prefix of this.#options.prefixes) {
      // What is damaged is said when it would be used.
      const copy = await state.loadCopy(prefix).catch(() => undefined);
      if (copy !== undefined) this.#counts.set(prefix, copy.size);
    }
  }

  async #apply(): Promise<void> {
    let ok = false;
    try {
      await this.#use();
      ok = true;
    } catch (error) {
      if (!(error instanceof AgentError)) this.#failure(error);
      else if (this.#variables === undefined) this.#failure(error);
      else this.#options.ports.log("error", error.fault.code, { message: error.message });
    }
    this.#step({ kind: "finished", ok });
  }

  async #use(): Promise<void> {
    const { prefixes, ports, allowEmpty } = this.#options;
    // Of now: what comes while the command starts has not been used.
    const values = prefixes.map((prefix) => ({ prefix, values: new Map(this.#views.of(prefix).values) }));
    for (const { prefix, values: some } of values) {
      const fromKeys = this.#counts.get(prefix) ?? 0;
      if (fromKeys === 0 || some.size > 0 || allowEmpty) continue;
      throw new AgentError({ code: "prefix_shrank", prefix, fromKeys, toKeys: 0, maxShrinkPercent: 100 });
    }
    const found = environmentOf(values);
    if ("fault" in found) throw new AgentError(found.fault);
    const variables = JSON.stringify(Object.entries(found.variables).sort());
    if (variables === this.#variables && this.child.runs) return;
    await this.child.use(found.variables);
    if (!this.child.runs) return;
    ports.log("info", this.#variables === undefined ? "command_started" : "command_told", {
      variables: Object.keys(found.variables).length,
    });
    this.#variables = variables;
    for (const { prefix, values: some } of values) this.#counts.set(prefix, some.size);
    await this.#keep(values);
  }

  /** Losing the last good values is no reason to end what runs. */
  async #keep(values: readonly PrefixValues[]): Promise<void> {
    try {
      for (const one of values) await this.#state?.saveCopy(one.prefix, one.values);
    } catch (error) {
      this.#options.ports.log("error", "copy_not_saved", { message: reasonOf(error) });
    }
  }
}

function timingOf(splayMs: number): Timing {
  return {
    minMs: DEFAULTS.debounceMinMs,
    maxMs: DEFAULTS.debounceMaxMs,
    splayMs,
    retryBaseMs: DEFAULTS.retryBaseMs,
    retryCapMs: DEFAULTS.retryCapMs,
  };
}
