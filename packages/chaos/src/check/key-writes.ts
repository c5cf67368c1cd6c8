/** What is known of the writes to each key, from the answers to them and from what was read. */
import { hlcToMs, parseVersion } from "@hearsay/core";
import type { OperationEvent, SeenSibling, WriteEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";

/** A node showed what it holds of a key, during the run or at its end. */
export interface Showing {
  readonly node: string;
  /** Undefined when the answer did not say who gave it. */
  readonly id: string | undefined;
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Winner first. */
  readonly siblings: readonly SeenSibling[];
  readonly after?: string | undefined;
  readonly completeThroughMs?: number | null | undefined;
}

export interface KnownWrite {
  readonly event: WriteEvent;
  /** From its answer, or from where its value was read. */
  readonly version: string | undefined;
  /** The operation whose context it was made with. */
  readonly context: OperationEvent | "empty" | undefined;
}

export interface KeyWrites {
  readonly all: readonly KnownWrite[];
  readonly acknowledged: readonly KnownWrite[];
  readonly byValue: ReadonlyMap<string, KnownWrite>;
  readonly byVersion: ReadonlyMap<string, KnownWrite>;
}

const NONE: KeyWrites = { all: [], acknowledged: [], byValue: new Map(), byVersion: new Map() };

export class WritesByKey {
  readonly #byKey: Map<string, KeyWrites> = new Map();
  /** By version: the ids that have shown it, and when first. */
  readonly #shown: Map<string, Map<string, number>> = new Map();

  constructor(history: History, showings: readonly Showing[]) {
    const versions = versionsByValue(showings);
    const operations = new Map(history.operations.map((event) => [event.index, event]));
    const events = new Map<string, KnownWrite[]>();
    for (const event of history.writes) {
      const seen = event.value === undefined ? undefined : versions.get(event.value);
      const context = typeof event.context === "number" ? operations.get(event.context) : event.context;
      const write: KnownWrite = { event, version: event.version ?? seen, context };
      const before = events.get(event.key);
      if (before === undefined) events.set(event.key, [write]);
      else before.push(write);
    }
    for (const [key, all] of events) this.#byKey.set(key, sorted(all));
    for (const showing of showings) this.#note(showing);
  }

  get keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  of(key: string): KeyWrites {
    return this.#byKey.get(key) ?? NONE;
  }

  /** When this node first showed the version; undefined when it never did. */
  shownMs(version: string, id: string): number | undefined {
    return this.#shown.get(version)?.get(id);
  }

  shownBy(version: string): ReadonlySet<string> {
    return new Set(this.#shown.get(version)?.keys());
  }

  #note({ id, endMs, siblings }: Showing): void {
    if (id === undefined) return;
    for (const { version } of siblings) {
      const byId = this.#shown.get(version) ?? new Map<string, number>();
      this.#shown.set(version, byId);
      byId.set(id, Math.min(endMs, byId.get(id) ?? endMs));
    }
  }
}

function sorted(all: readonly KnownWrite[]): KeyWrites {
  const byValue = new Map<string, KnownWrite>();
  const byVersion = new Map<string, KnownWrite>();
  for (const write of all) {
    const { version, event } = write;
    if (event.value !== undefined) byValue.set(event.value, write);
    if (version !== undefined) byVersion.set(version, write);
  }
  return { all, acknowledged: all.filter(({ event }) => event.outcome === "ok"), byValue, byVersion };
}

function versionsByValue(showings: readonly Showing[]): Map<string, string> {
  const versions = new Map<string, string>();
  for (const { siblings } of showings) {
    for (const { version, value } of siblings) if (value !== undefined) versions.set(value, version);
  }
  return versions;
}

/** Everything that nodes showed, in the order in which it was asked for. */
export function showingsOf(history: History): Showing[] {
  const found: Showing[] = [];
  for (const read of history.reads) {
    const { node, id, key, startMs, endMs, siblings, after, completeThroughMs } = read;
    if (read.outcome !== "ok" || siblings === undefined) continue;
    found.push({ node, id, key, startMs, endMs, siblings, after, completeThroughMs });
  }
  found.push(...history.finals.filter(({ unreadable }) => unreadable === undefined));
  return found.sort((a, b) => a.startMs - b.startMs);
}

/** The millisecond of the coordinator's clock; negative infinity for a text that is no version. */
export function versionMs(version: string): number {
  const parsed = parseVersion(version);
  return parsed === undefined ? Number.NEGATIVE_INFINITY : hlcToMs(parsed.time);
}

/** The id of the node that took the write. */
export function writerOf(version: string): string {
  return parseVersion(version)?.node ?? "";
}
