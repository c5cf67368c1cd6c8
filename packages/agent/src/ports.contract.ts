/** Ports on virtual time, whose log can be waited for. */
import type { AgentPorts } from "./ports.ts";

export interface Logged {
  readonly level: string;
  readonly event: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export class ManualPorts implements AgentPorts {
  readonly logged: Logged[] = [];
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  #waiting: { readonly matches: (entry: Logged) => boolean; readonly resolve: (entry: Logged) => void }[] =
    [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  random(): number {
    return 0.5;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  readonly log = (level: string, event: string, facts: Readonly<Record<string, unknown>>): void => {
    const entry = { level, event, facts };
    this.logged.push(entry);
    for (const waiting of [...this.#waiting]) {
      if (!waiting.matches(entry)) continue;
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.resolve(entry);
    }
  };

  /** The next entry of the event from now on. */
  next(event: string): Promise<Logged> {
    return new Promise((resolve) => {
      this.#waiting.push({ matches: (entry) => entry.event === event, resolve });
    });
  }

  /** Lets time pass, timers in their order. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.callback();
    }
    this.#nowMs = untilMs;
  }
}
