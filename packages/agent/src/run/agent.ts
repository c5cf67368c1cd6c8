/**
 * The agent: views of prefixes on one side, files with their schedules on the other. It turns what the schedules ask for
 * into runs, and hands the time to them; it decides nothing itself.
 */
import { Reloads } from "../commands/reloads.ts";
import type { StateDirectory } from "../files/state-directory.ts";
import type { AgentPorts } from "../ports.ts";
import type { AgentSettings } from "../settings/settings.ts";
import { CutOffWatch } from "../values/cut-off.ts";
import type { PrefixView } from "../values/prefix-view.ts";
import type { Source } from "../values/source.ts";
import { Views } from "../values/views.ts";
import { makeFile } from "./make-file.ts";
import { ManagedFile, statusError } from "./managed-file.ts";
import type { AgentMetrics } from "./metrics.ts";
import type { ScheduleInput } from "./schedule.ts";
import type { AgentStatus, PrefixStatus, StatusError } from "./status.ts";
import { copiedKeys, usedPrefixes } from "./used-prefix.ts";

export interface AgentOptions {
  readonly settings: AgentSettings;
  readonly source: Source;
  readonly state: StateDirectory;
  readonly ports: AgentPorts;
  readonly metrics: AgentMetrics;
  readonly allowEmpty: boolean;
  readonly failOnMissing: boolean;
}

/** Files that are made at one time. */
const MAX_RUNNING = 8;
/** A copy that could not be written is tried again so often. */
const SAVE_AGAIN_MS = 10_000;

export class Agent {
  readonly files: readonly ManagedFile[];
  readonly views: Views;
  readonly #options: AgentOptions;
  readonly #reloads: Reloads = new Reloads();
  readonly #cutOff: CutOffWatch;
  readonly #queue: ManagedFile[] = [];
  readonly #running: Set<Promise<void>> = new Set();
  readonly #unsaved: Set<string> = new Set();
  /** Keys that each prefix has in its copy of the start. */
  #copied: ReadonlyMap<string, number> = new Map();
  readonly #onSettled: (() => void)[] = [];
  #saving: Promise<void> | undefined;
  #savedAt: string | undefined;
  #saveError: StatusError | undefined;
  #cancelTimer: () => void = () => undefined;
  #cancelSave: () => void = () => undefined;
  #stopped = false;

  constructor(options: AgentOptions) {
    const { settings, source, ports, state } = options;
    this.#options = options;
    this.files = settings.files.map((file) => new ManagedFile(file, ports));
    this.#cutOff = new CutOffWatch((signal) => source.reach(signal), ports);
    this.views = new Views(
      settings.files.flatMap(({ prefixes }) => prefixes),
      {
        source,
        ports,
        startWaitMs: settings.startWaitMs,
        loadCopy: (prefix) => state.loadCopy(prefix),
        onChange: (prefix, valuesChanged) => this.#prefixChanged(prefix, valuesChanged),
      },
    );
  }

  async start(): Promise<void> {
    const prefixes = [...this.views.all].map(({ prefix }) => prefix);
    this.#copied = await copiedKeys(this.#options.state, prefixes);
    this.views.start();
    this.#cutOff.start();
  }

  /** Ends the streams, waits for the runs that have begun, and keeps what is good by then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    this.#cancelTimer();
    await this.#cutOff.stop();
    await this.views.stop();
    await Promise.all(this.#running);
    await this.#saving;
    this.#cancelSave();
    this.#saveIfGood();
    await this.#saving;
  }

  /** Settles when every file has been made, or has failed, once. */
  async firstRound(): Promise<void> {
    if (this.files.every(({ runs }) => runs > 0)) return;
    await new Promise<void>((resolve) => this.#onSettled.push(resolve));
  }

  status(): Omit<AgentStatus, "settings"> {
    const files = this.files.map((file) => file.status());
    const prefixes = [...this.views.all].map((view) => prefixStatus(view));
    const cutOff = this.#cutOff.current;
    const fails = cutOff !== undefined && this.#options.settings.failWhenCutOff;
    return {
      ready: !fails && files.every(({ error, content }) => error === undefined && content !== undefined),
      cutOff,
      stale: prefixes.some(({ state }) => state !== "synced") || files.some(({ stale }) => stale),
      prefixes,
      files,
      copies: { savedAt: this.#savedAt, error: this.#saveError },
    };
  }

  #prefixChanged(prefix: string, valuesChanged: boolean): void {
    if (this.#stopped) return;
    if (valuesChanged) {
      this.#unsaved.add(prefix);
      this.#options.metrics.changed();
    }
    for (const file of this.files) {
      if (!file.settings.prefixes.includes(prefix)) continue;
      if (valuesChanged) this.#step(file, { kind: "changed" });
      this.#step(file, { kind: "prefixes", are: this.views.readiness(file.settings.prefixes) });
    }
    this.#arm();
    this.#saveIfGood();
  }

  #step(file: ManagedFile, input: ScheduleInput): void {
    if (file.schedule.step(input, this.#options.ports.nowMs()) === "run") this.#queue.push(file);
    while (this.#running.size < MAX_RUNNING) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      const running: Promise<void> = this.#make(next).finally(() => {
        this.#running.delete(running);
        this.#ended(next);
      });
      this.#running.add(running);
    }
  }

  async #make(file: ManagedFile): Promise<void> {
    const { settings } = file;
    const { metrics, ports } = this.#options;
    const stale = this.views.readiness(settings.prefixes) !== "ready";
    const prefixes = usedPrefixes(this.views, settings.prefixes, this.#copied);
    const begunMs = ports.nowMs();
    try {
      const scope = this.views.scope(settings.prefixes);
      const made = await makeFile(
        settings,
        { scope, prefixes },
        { ...this.#options, reloads: this.#reloads },
      );
      file.owes(false);
      file.succeeded(made, stale);
      metrics.made(made.installed ? "installed" : "unchanged", ports.nowMs() - begunMs);
    } catch (error) {
      file.owes(
        settings.reload !== undefined && (await this.#options.state.owes(settings.path).catch(() => true)),
      );
      file.failed(error);
      metrics.made("failed", ports.nowMs() - begunMs);
    }
  }

  #ended(file: ManagedFile): void {
    const finished = { kind: "finished", ok: file.error === undefined } as const;
    if (this.#stopped) file.schedule.step(finished, this.#options.ports.nowMs());
    else this.#step(file, finished);
    if (this.files.every(({ runs }) => runs > 0)) for (const settled of this.#onSettled.splice(0)) settled();
    if (this.#stopped) return;
    this.#arm();
    this.#saveIfGood();
  }

  /** One timer, for the file that is due first. */
  #arm(): void {
    this.#cancelTimer();
    const { ports } = this.#options;
    const wakeMs = Math.min(...this.files.map(({ schedule }) => schedule.wakeMs ?? Number.POSITIVE_INFINITY));
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = ports.after(Math.max(0, Math.ceil(wakeMs - ports.nowMs())), () => {
      for (const file of this.files) this.#step(file, { kind: "clock" });
      this.#arm();
    });
  }

  /** Values that every file which uses them could be made of are the last good ones. */
  #saveIfGood(): void {
    if (this.#saving !== undefined) return;
    const good = [...this.#unsaved].filter((prefix) => this.#isGood(prefix));
    if (good.length === 0) return;
    const copies = good.map((prefix) => [prefix, new Map(this.views.of(prefix).values)] as const);
    for (const prefix of good) this.#unsaved.delete(prefix);
    this.#saving = this.#save(copies).then((ok) => {
      this.#saving = undefined;
      if (this.#stopped) return;
      if (ok) return this.#saveIfGood();
      this.#cancelSave();
      if (!ok) this.#cancelSave = this.#options.ports.after(SAVE_AGAIN_MS, () => this.#saveIfGood());
    });
  }

  #isGood(prefix: string): boolean {
    const users = this.files.filter(({ settings }) => settings.prefixes.includes(prefix));
    const areMade = users.every(({ schedule }) => schedule.state === "idle");
    return areMade && this.views.of(prefix).state === "synced";
  }

  /** Returns whether all were kept; those that were not are to be kept again. */
  async #save(copies: readonly (readonly [string, ReadonlyMap<string, Uint8Array>])[]): Promise<boolean> {
    const { state, ports } = this.#options;
    const nowIso = new Date(ports.wallMs()).toISOString();
    let failure: unknown;
    for (const [prefix, values] of copies) {
      try {
        await state.saveCopy(prefix, values);
      } catch (error) {
        failure = error;
        this.#unsaved.add(prefix);
      }
    }
    if (failure === undefined) {
      this.#savedAt = nowIso;
      this.#saveError = undefined;
      return true;
    }
    this.#saveError = statusError(failure, this.#saveError, nowIso);
    ports.log("error", "copy_not_saved", { message: this.#saveError.message });
    return false;
  }
}

function prefixStatus(view: PrefixView): PrefixStatus {
  const { prefix, state, values, downReason, beyond } = view;
  const fault = beyond === undefined ? downReason : `it has more than ${beyond}`;
  const code = beyond === undefined ? "source_down" : "prefix_too_large";
  return {
    prefix,
    state,
    keys: values.size,
    error: fault === undefined ? undefined : { code, message: fault },
  };
}
