/** A file with its schedule and what became of its runs. */
import { AgentError, reasonOf } from "../fault.ts";
import type { AgentPorts } from "../ports.ts";
import type { FileSettings } from "../settings/settings.ts";
import type { MadeFile } from "./make-file.ts";
import { Schedule } from "./schedule.ts";
import type { FileStatus, StatusError } from "./status.ts";

export class ManagedFile {
  readonly settings: FileSettings;
  readonly schedule: Schedule;
  readonly #ports: AgentPorts;
  #runs = 0;
  #reloadOwed = false;
  #error: StatusError | undefined;
  #made: (MadeFile & { readonly at: string; readonly stale: boolean }) | undefined;

  constructor(settings: FileSettings, ports: AgentPorts) {
    this.settings = settings;
    this.#ports = ports;
    this.schedule = new Schedule(settings.timing, () => ports.random());
  }

  /** Runs that have ended. */
  get runs(): number {
    return this.#runs;
  }

  get missing(): readonly string[] {
    return this.#made?.missing ?? [];
  }

  get error(): StatusError | undefined {
    return this.#error;
  }

  /** Told after each run, before how it ended. */
  owes(reload: boolean): void {
    this.#reloadOwed = reload;
  }

  succeeded(made: MadeFile, stale: boolean): void {
    this.#runs += 1;
    const { log } = this.#ports;
    const { path } = this.settings;
    const { installed, reloaded, bytes, missing } = made;
    if (installed || reloaded) log("info", "file", { path, installed, reloaded, bytes, stale });
    if (missing.length > 0) log("warn", "missing_keys", { path, keys: missing });
    this.#made = { ...made, at: this.#now(), stale };
    this.#error = undefined;
  }

  failed(error: unknown): void {
    this.#runs += 1;
    this.#error = statusError(error, this.#error, this.#now());
    const { code, message } = this.#error;
    this.#ports.log("error", code, {
      path: this.settings.path,
      message,
      failures: this.schedule.failures + 1,
    });
  }

  status(): FileStatus {
    const made = this.#made;
    const { state, failures } = this.schedule;
    return {
      path: this.settings.path,
      state,
      failures,
      error: this.#error,
      missing: this.missing,
      reloadOwed: this.#reloadOwed,
      content: made === undefined ? undefined : { sha256: made.sha256, bytes: made.bytes, at: made.at },
      stale: made?.stale ?? false,
    };
  }

  #now(): string {
    return new Date(this.#ports.wallMs()).toISOString();
  }
}

/** @param before the error until now; one of the same code goes on since then */
export function statusError(error: unknown, before: StatusError | undefined, nowIso: string): StatusError {
  const code = error instanceof AgentError ? error.fault.code : "internal";
  return {
    code,
    message: reasonOf(error),
    next: error instanceof AgentError ? error.next : undefined,
    since: before?.code === code ? before.since : nowIso,
  };
}
