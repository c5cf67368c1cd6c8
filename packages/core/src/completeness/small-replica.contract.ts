/** One replica of the small cluster: what it holds newest and durably, the commits between both, and whom it knows. */
import { type HlcTime, HybridLogicalClock, hlcFromMs } from "../clock.ts";
import type { KeyRecord, Sibling } from "../record.ts";
import { formatVersion } from "../version.ts";
import type { Standing } from "./admission.ts";
import { Completeness } from "./completeness.ts";
import { type CompletenessState, INITIAL_COMPLETENESS } from "./terms.ts";

export const KEYS = ["x", "y", "z"];
export const RETENTION = hlcFromMs(20);
const FAR_MS = 1_000_000;

export interface Write {
  readonly key: string;
  readonly sibling: Sibling;
  /** Every write that this one covers, directly or through others. */
  readonly covered: Set<Write>;
  acknowledged: boolean;
  /** Known only to a node that was forgotten: an operator has given it up. */
  givenUp: boolean;
}

interface Commit {
  /** The time of the own write it makes durable. */
  readonly own: HlcTime | undefined;
  run(): void;
}

export interface Table {
  readonly ids: ReadonlySet<string>;
  readonly retired: ReadonlySet<string>;
}

/** What of a directory comes back with a copy of it, under another id. */
export interface Copy {
  readonly records: ReadonlyMap<string, KeyRecord>;
  readonly state: CompletenessState;
  readonly table: Table;
}

export class Replica {
  readonly id: string;
  readonly clock: HybridLogicalClock = new HybridLogicalClock({ durableBound: 0, maxDriftMs: FAR_MS });
  readonly durable: Map<string, KeyRecord> = new Map();
  latest: Map<string, KeyRecord> = new Map();
  queue: Commit[] = [];
  readonly ids: Set<string>;
  readonly retired: Set<string>;
  /** The retirements that show in the members it counts. */
  readonly settled: Set<string>;
  completeness: Completeness;
  /** An old copy of the directory. */
  backup: Copy | undefined;
  /** What of the state a crash leaves, but for what is always durable. */
  saved: CompletenessState;
  /** Versions it has seen superseded. */
  readonly hidden: Set<string> = new Set();
  up = true;
  gone = false;
  forgotten = false;
  starts = 0;

  constructor(id: string, table: Table, knows: "founder" | "joiner" | CompletenessState) {
    this.id = id;
    this.ids = new Set(table.ids).add(id);
    this.retired = new Set(table.retired);
    this.settled = new Set(table.retired);
    const isFounder = knows === "founder";
    this.saved =
      typeof knows === "object"
        ? { ...knows, vector: new Map(), recorded: false, complete: false, completeFloor: 0 }
        : { ...INITIAL_COMPLETENESS, recorded: isFounder, complete: isFounder };
    this.completeness = new Completeness(id, RETENTION, this.saved);
  }

  get counted(): string[] {
    return [...this.ids].filter((id) => !this.settled.has(id)).sort();
  }

  get peers(): string[] {
    return [...this.ids].filter((id) => id !== this.id && !this.retired.has(id)).sort();
  }

  get standing(): Standing {
    return { floor: this.completeness.floor, complete: this.completeness.complete };
  }

  digest(key: string): string {
    return (this.durable.get(key)?.siblings ?? []).map(({ version }) => formatVersion(version)).join();
  }

  get root(): string {
    return KEYS.map((key) => this.digest(key)).join("|");
  }

  /** Changes the newest state at once and the durable one in its turn. */
  set(key: string, record: KeyRecord | undefined, own?: HlcTime, then: () => void = () => undefined): void {
    const put = (to: Map<string, KeyRecord>) =>
      record === undefined ? to.delete(key) : to.set(key, record) !== undefined;
    put(this.latest);
    this.queue.push({
      own,
      run: () => {
        put(this.durable);
        then();
      },
    });
  }

  commit(count: number = this.queue.length): void {
    for (const commit of this.queue.splice(0, count)) commit.run();
  }
}
