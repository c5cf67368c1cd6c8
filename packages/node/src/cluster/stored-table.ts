/** The member table as it survives a restart, and the keeping of it in step with the one in memory. */
import { encodeUtf8, isNodeId, isWellFormed, type Member, type NodeId } from "@hearsay/core";
import { IdentityError } from "../identity.ts";
import type { MetaStore } from "../ports.ts";
import type { RepeatLog } from "../repeat-log.ts";
import { parseJson } from "../stored-json.ts";
import type { Timers } from "./ports.ts";

const META_NAME = "members";
/** A disk that took nothing is tried again after this time. */
const RETRY_MS = 1_000;
/**
 * How a member is, changes often, and a restarted node finds it out anew: it is on disk after this time. Where it is, and
 * that it is one, is not.
 */
export const CONDITION_DELAY_MS = 10_000;

export interface TableContents {
  readonly members: readonly Member[];
  readonly retired: readonly NodeId[];
  /** It was taken over from a member, in whole or in part. */
  readonly entered: boolean;
}

export interface StoredTablePorts {
  readonly meta: MetaStore;
  readonly timers: Timers;
  readonly troubles: RepeatLog;
}

/**
 * Invariant: whoever is said to be recorded is on disk. A table that could not be stored is tried again until one is,
 * because a cluster in which nothing changes any more would never store it otherwise, and a joiner waits for it.
 */
export class StoredTable {
  readonly #ports: StoredTablePorts;
  readonly #contents: () => TableContents;
  #recorded: ReadonlySet<NodeId>;
  /** Whether the newest save went well. */
  #saving: Promise<boolean> = Promise.resolve(true);
  /** Of a save that waits for its time. */
  #cancelTimer: (() => void) | undefined;
  #isStopped = false;
  /** The table has changed since the last save began. */
  #isDue = false;

  /** @param known what is on disk, `contents` what is in memory now */
  constructor(known: TableContents, ports: StoredTablePorts, contents: () => TableContents) {
    this.#recorded = idsOf(known);
    this.#ports = ports;
    this.#contents = contents;
  }

  /** Whether an id is on disk as a counted member. */
  has(id: NodeId): boolean {
    return this.#recorded.has(id);
  }

  /** Saves the table once the save under way has ended. What changes until then shares it: a storm of changes costs few. */
  saveSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#saving = this.#saving.then((isSaved) => {
      if (!this.#isDue) return isSaved;
      this.save();
      return this.#saving;
    });
  }

  /** Saves the table within {@link CONDITION_DELAY_MS}, with all that changes until then. */
  saveLater(): void {
    if (!this.#isDue && this.#cancelTimer === undefined) this.#saveAfter(CONDITION_DELAY_MS);
  }

  /** Saves the table now, before anything that is stored after this. */
  save(): void {
    this.#isDue = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const table = this.#contents();
    this.#saving = storeTable(this.#ports.meta, table).then(
      () => {
        this.#recorded = idsOf(table);
        return true;
      },
      (error: unknown) => {
        this.#ports.troubles.failed("members_not_saved", error);
        this.#saveAfter(RETRY_MS);
        return false;
      },
    );
  }

  /** Settles when the newest save has ended. @returns whether it went well */
  async saved(): Promise<boolean> {
    return await this.#saving;
  }

  stop(): void {
    if (this.#isDue || this.#cancelTimer !== undefined) this.save();
    this.#isStopped = true;
  }

  #saveAfter(ms: number): void {
    if (this.#isStopped) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#ports.timers.after(ms, () => this.save());
  }
}

function idsOf({ members }: TableContents): ReadonlySet<NodeId> {
  return new Set(members.map(({ id }) => id));
}

async function storeTable(meta: MetaStore, table: TableContents): Promise<void> {
  await meta.put(META_NAME, encodeUtf8(JSON.stringify(table)));
}

/** The next start finds no other member, and none that ever was. Settles when that is durable. */
export async function emptyTable(meta: MetaStore): Promise<void> {
  await storeTable(meta, { members: [], retired: [], entered: false });
}

/**
 * A table of which a part is lost is none: a member that is not counted is one that a watermark passes over.
 * @throws IdentityError `membership_unreadable`
 */
export function readTable(meta: MetaStore): TableContents {
  const stored = meta.get(META_NAME);
  if (stored === undefined) return { members: [], retired: [], entered: false };
  const parsed = parseJson(stored);
  const { members, retired, entered }: Partial<Record<keyof TableContents, unknown>> =
    typeof parsed === "object" && parsed !== null ? parsed : {};
  const isReadable =
    Array.isArray(members) && members.every(isMember) && Array.isArray(retired) && retired.every(isRetiredId);
  if (!isReadable) throw new IdentityError({ code: "membership_unreadable" });
  // An older build does not say, and one that knows others has mostly been let in by one of them.
  return { members, retired, entered: typeof entered === "boolean" ? entered : members.length > 1 };
}

function isRetiredId(value: unknown): value is NodeId {
  return typeof value === "string" && isNodeId(value);
}

function isMember(value: unknown): value is Member {
  if (typeof value !== "object" || value === null) return false;
  const { id, address, generation, state, zone, protocol, build } = value as Partial<
    Record<keyof Member, unknown>
  >;
  return (
    [id, address, zone, build].every((text) => typeof text === "string") &&
    typeof generation === "number" &&
    ["alive", "suspect", "dead", "stopped"].includes(String(state)) &&
    typeof protocol === "object" &&
    protocol !== null &&
    isWellFormed(value as Member)
  );
}
