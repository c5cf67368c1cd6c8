/** What watermarks have said of whom, as far as it binds. */
import type { StatusEvent } from "../history/events.ts";

/** In so long everybody has heard of a new member. */
export const HEARSAY_MS = 5_000;

type WithWatermark = StatusEvent & { readonly watermarkMs: number };

/** For each writer and each holder: all that the one had written up to that millisecond, the other held. */
export class Through {
  readonly #ms: Map<string, Map<string, number>> = new Map();

  raise(writer: string, holder: string, ms: number): void {
    const byHolder = this.#ms.get(writer) ?? new Map<string, number>();
    this.#ms.set(writer, byHolder);
    byHolder.set(holder, Math.max(ms, byHolder.get(holder) ?? ms));
  }

  holdersOf(writer: string, ms: number): string[] {
    return [...(this.#ms.get(writer) ?? [])].flatMap(([holder, throughMs]) =>
      ms <= throughMs ? [holder] : [],
    );
  }
}

/**
 * The latest watermark each id was claimed to hold everything through, as the showings go by. A watermark stays what it was
 * when a member joins, so it says nothing of that one before it has moved on with it.
 */
export class Watermarks {
  readonly #statuses: readonly StatusEvent[];
  readonly #byId: Map<string, WithWatermark> = new Map();
  readonly #listedMs: Map<string, number> = new Map();
  /** The greatest watermark that an id was listed with while not all could have heard of it. */
  readonly #before: Map<string, number> = new Map();
  readonly #held: Through = new Through();
  #highest = Number.NEGATIVE_INFINITY;
  #next = 0;

  constructor(statuses: readonly StatusEvent[]) {
    this.#statuses = [...statuses].sort((a, b) => a.atMs - b.atMs);
  }

  of(id: string | undefined, beforeMs: number): WithWatermark | undefined {
    for (; ; this.#next++) {
      const status = this.#statuses[this.#next];
      if (status === undefined || status.atMs >= beforeMs) break;
      const { watermarkMs } = status;
      this.#highest = Math.max(this.#highest, watermarkMs ?? Number.NEGATIVE_INFINITY);
      // A node that is still alone lists itself; it has not joined yet.
      const isJoined = status.members.length > 1;
      for (const member of status.members) {
        if (isJoined) this.#list(member.id, status.atMs);
        if (watermarkMs !== null) this.#claim(member.id, { ...status, watermarkMs });
      }
    }
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Through when which others were said to hold what each id has written, in the end. */
  held(): Through {
    this.of(undefined, Number.POSITIVE_INFINITY);
    return this.#held;
  }

  #list(id: string, atMs: number): void {
    const listedMs = this.#listedMs.get(id) ?? atMs;
    this.#listedMs.set(id, listedMs);
    const isFounder = listedMs - (this.#statuses[0]?.atMs ?? 0) < HEARSAY_MS;
    if (!isFounder && atMs - listedMs < HEARSAY_MS) this.#before.set(id, this.#highest);
  }

  #claim(id: string, status: WithWatermark): void {
    const known = this.#byId.get(id)?.watermarkMs ?? Number.NEGATIVE_INFINITY;
    if (!this.#binds(id, status)) return;
    if (status.watermarkMs > known) this.#byId.set(id, status);
    for (const { id: writer } of status.members)
      if (this.#binds(writer, status)) this.#held.raise(writer, id, status.watermarkMs);
  }

  #binds(id: string, { watermarkMs }: WithWatermark): boolean {
    return watermarkMs > (this.#before.get(id) ?? Number.NEGATIVE_INFINITY);
  }
}
