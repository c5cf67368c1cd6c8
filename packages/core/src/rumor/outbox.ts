import type { RumorEffect, RumorTimer } from "./messages.ts";

interface AwaitedTimer {
  readonly sequence: number;
  readonly dueMs: number;
}

/**
 * Collects the effects of one step. Of each kind of timer at most one is awaited: an earlier date replaces a later one,
 * whose timer is then ignored.
 */
export class Outbox {
  readonly #awaited: { [Kind in RumorTimer["kind"]]?: AwaitedTimer | undefined } = {};
  #sequence = 0;
  #effects: RumorEffect[] = [];

  push(effect: RumorEffect): void {
    this.#effects.push(effect);
  }

  schedule(kind: RumorTimer["kind"], dueMs: number, now: number): void {
    const awaited = this.#awaited[kind];
    if (awaited !== undefined && awaited.dueMs <= dueMs) return;
    this.#sequence += 1;
    this.#awaited[kind] = { sequence: this.#sequence, dueMs };
    const timer = { kind, sequence: this.#sequence };
    this.#effects.push({ kind: "timer", timer, afterMs: Math.max(0, dueMs - now) });
  }

  /** Whether this timer is the awaited one of its kind; it is awaited no longer. */
  takeTimer(timer: RumorTimer): boolean {
    if (this.#awaited[timer.kind]?.sequence !== timer.sequence) return false;
    this.#awaited[timer.kind] = undefined;
    return true;
  }

  takeEffects(): readonly RumorEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
