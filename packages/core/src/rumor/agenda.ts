import type { RumorEffect, RumorTimer } from "./messages.ts";

/** At most one awaited timer of each kind. An earlier date replaces a later one, whose timer is then ignored. */
export class Agenda {
  readonly #awaited = new Map<RumorTimer["kind"], { readonly sequence: number; readonly dueMs: number }>();
  #sequence = 0;

  /** Undefined when a timer that is due no later is awaited already. */
  set(kind: RumorTimer["kind"], dueMs: number, now: number): RumorEffect | undefined {
    const awaited = this.#awaited.get(kind);
    if (awaited !== undefined && awaited.dueMs <= dueMs) return undefined;
    this.#sequence += 1;
    this.#awaited.set(kind, { sequence: this.#sequence, dueMs });
    return { kind: "timer", timer: { kind, sequence: this.#sequence }, afterMs: Math.max(0, dueMs - now) };
  }

  /** Whether this timer is the awaited one; it is awaited no longer. */
  take(timer: RumorTimer): boolean {
    if (this.#awaited.get(timer.kind)?.sequence !== timer.sequence) return false;
    this.#awaited.delete(timer.kind);
    return true;
  }
}
