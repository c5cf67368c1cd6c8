/** The views of several prefixes, kept by one source, and what they start from while no node answers. */
import { onAbort } from "@hearsay/client";
import { AgentError, reasonOf } from "../fault.ts";
import type { AgentPorts } from "../ports.ts";
import type { Scope } from "../render/template.ts";
import { PrefixView, type Values } from "./prefix-view.ts";
import type { Source, SourceEvent } from "./source.ts";

export interface ViewsOptions {
  readonly source: Source;
  readonly ports: AgentPorts;
  readonly startWaitMs: number;
  /** The last good copy of a prefix. @throws AgentError `copy_damaged` */
  readonly loadCopy: (prefix: string) => Promise<Values | undefined>;
  /** A prefix changed its state, or also its values. */
  readonly onChange: (prefix: string, valuesChanged: boolean) => void;
}

/** A source that fails for good is asked again so often. */
const AGAIN_MS = 5_000;

export class Views {
  readonly #options: ViewsOptions;
  readonly #views: ReadonlyMap<string, PrefixView>;
  readonly #end: AbortController = new AbortController();
  readonly #following: Promise<void>[] = [];
  #cancelWait: () => void = () => undefined;
  #mayBeStale = false;

  constructor(prefixes: readonly string[], options: ViewsOptions) {
    this.#options = options;
    this.#views = new Map([...new Set(prefixes)].map((prefix) => [prefix, new PrefixView(prefix)]));
  }

  start(): void {
    for (const view of this.#views.values()) this.#following.push(this.#follow(view));
    const { ports, startWaitMs } = this.#options;
    this.#cancelWait = ports.after(startWaitMs, () => void this.#useCopies());
  }

  async stop(): Promise<void> {
    this.#cancelWait();
    this.#end.abort();
    await Promise.all(this.#following);
  }

  get all(): Iterable<PrefixView> {
    return this.#views.values();
  }

  of(prefix: string): PrefixView {
    const view = this.#views.get(prefix);
    if (view === undefined) throw new RangeError(`${prefix} is not followed`);
    return view;
  }

  /** `stale` only after the wait of the start is over. */
  readiness(prefixes: readonly string[]): "ready" | "stale" | "not_ready" {
    const views = prefixes.map((prefix) => this.of(prefix));
    if (views.every(({ state }) => state === "synced")) return "ready";
    return this.#mayBeStale && views.every(({ whole }) => whole) ? "stale" : "not_ready";
  }

  /** The values of now: what comes while a file is made of them is for its next run. */
  scope(prefixes: readonly string[]): Scope {
    const values = new Map<string, Uint8Array>();
    for (const prefix of prefixes) for (const [key, value] of this.of(prefix).values) values.set(key, value);
    return { prefixes, values };
  }

  async #follow(view: PrefixView): Promise<void> {
    const { signal } = this.#end;
    const { source, ports } = this.#options;
    const onEvent = (event: SourceEvent): void => {
      if (!signal.aborted) this.#take(view, event);
    };
    while (!signal.aborted) {
      try {
        await source.follow(view.prefix, onEvent, signal);
      } catch (error) {
        onEvent({ kind: "down", reason: reasonOf(error) });
      }
      await pause(ports, AGAIN_MS, signal);
      // It begins anew, with the whole prefix; what is left at the end stays as it was.
      if (!signal.aborted) view.take({ kind: "reset" });
    }
  }

  #take(view: PrefixView, event: SourceEvent): void {
    const { state: before, downReason } = view;
    const changed = view.take(event);
    if (event.kind !== "down" || downReason === undefined) this.#tell(view, event);
    if (changed || before !== view.state) this.#options.onChange(view.prefix, changed);
  }

  #tell({ prefix, values, beyond }: PrefixView, event: SourceEvent): void {
    const { log } = this.#options.ports;
    if (event.kind === "down") log("warn", "source_down", { prefix, reason: event.reason });
    if (event.kind === "synced")
      log("info", "synced", { prefix, keys: values.size, ...(beyond && { beyond }) });
  }

  async #useCopies(): Promise<void> {
    const { loadCopy, onChange, ports } = this.#options;
    for (const view of this.#views.values()) {
      if (view.whole) continue;
      try {
        const copy = await loadCopy(view.prefix);
        if (copy === undefined || view.whole || this.#end.signal.aborted) continue;
        view.startFrom(copy);
        ports.log("warn", "stale_start", { prefix: view.prefix, keys: copy.size });
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        ports.log("error", error.fault.code, { message: error.message });
      }
    }
    this.#mayBeStale = true;
    for (const view of this.#views.values()) onChange(view.prefix, false);
  }
}

/** Settles after the time, or at once when the signal is aborted. */
function pause(ports: AgentPorts, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const cancel = ports.after(ms, () => {
      leave();
      resolve();
    });
    const leave = onAbort(signal, () => {
      cancel();
      resolve();
    });
  });
}
