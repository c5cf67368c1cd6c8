/**
 * Losses that no disk shows. A complete node that is offered, at or below its floor, what it neither holds nor covers, by one that
 * is complete too, takes it and says that data was lost without a trace (docs/protocol.md, *Ghosts*, 3). Nobody says so without one.
 */
import { type Context, covers, hlcFromMs, type KeyRecord, type Sibling, type Version } from "@hearsay/core";
import type { RecordStore } from "@hearsay/node";
import type { Machine } from "../cluster/machine.ts";
import type { Violation } from "../invariants/invariant.ts";
import type { WriteLedger } from "../invariants/ledger.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

export interface LossPorts {
  readonly ledger: WriteLedger;
  replica(machine: Machine): ReplicaWatch;
  report(violation: Violation): void;
  count(invariant: "alarm"): void;
}

const ALARM = "silent_loss_suspected";
const DROP = "ghost_dropped";

export class LossWatch {
  readonly #ports: LossPorts;
  /** Keys of which a record was lost so, on any machine. */
  readonly #lost: Set<string> = new Set();
  /** The same by the id of the node that has lost it. */
  readonly #lostBy: Set<string> = new Set();
  /** What is taken where an alarm is due for it, by machine and key. */
  readonly #due: Map<string, readonly Version[]> = new Map();
  /** Old records are put into these on purpose. */
  readonly restoring: Set<Machine> = new Set();

  constructor(ports: LossPorts) {
    this.#ports = ports;
  }

  /** A record goes from a disk, and nothing there shows it. */
  lost(machine: Machine, key: string): void {
    const watch = this.#ports.replica(machine);
    this.#lost.add(key);
    this.#lostBy.add(`${watch.id} ${key}`);
    watch.forgot(key);
  }

  /**
   * A node writes a key. Of what it has itself written there before, and lost so, the new context covers everything, whoever still
   * has it: a node is taken to know its own writes (docs/protocol.md, *Why a client's dot is needed*).
   */
  wrote(key: string, { time, node }: Version, previous: Context | undefined): void {
    if (!this.#lostBy.has(`${node} ${key}`)) return;
    const known = previous?.get(node) ?? -1;
    for (const write of this.#ports.ledger.of(key)) {
      const { version } = write;
      if (version.node === node && version.time > known && version.time < time) write.isExcused = true;
    }
  }

  /** A node is about to store a record. */
  storing(machine: Machine, key: string, record: KeyRecord, store: RecordStore): void {
    const { complete, floor } = machine.running.standing;
    if (!complete || this.restoring.has(machine)) return;
    const old = record.siblings.filter((sibling) => isLiveAt(sibling, floor));
    if (old.length === 0) return;
    const held = latest(key, store);
    this.#ports.count("alarm");
    if (held === "unreadable") return;
    const taken = old
      .map(({ version }) => version)
      .filter((version) => held === undefined || !covers(held.context, version));
    if (taken.length > 0) this.#due.set(`${machine.name} ${key}`, taken);
  }

  /** What it was about to store is stored, and whatever was to be said of it was said. */
  stored({ name }: Machine, key: string): void {
    if (!this.#due.delete(`${name} ${key}`)) return;
    const detail = `${name} had lost what it takes for ${key}, and does not say so`;
    this.#ports.report({ invariant: "alarm", detail });
  }

  logged(machine: Machine, event: string, { key }: Readonly<Record<string, unknown>>): void {
    if (event === DROP && typeof key === "string") this.#ports.replica(machine).leaving(key);
    if (event !== ALARM) return;
    const { name } = machine;
    const taken = this.#due.get(`${name} ${key}`) ?? [];
    this.#due.delete(`${name} ${key}`);
    if (typeof key === "string" && (this.#lost.has(key) || this.#wasGivenUp(taken))) return;
    const detail = `${name} says that ${key} was lost without a trace, and it was not`;
    this.#ports.report({ invariant: "alarm", detail });
  }

  /**
   * Whether an operator has given up all of these, and nobody else had them. Should one come back just below a floor that not all have
   * heard of, a node cries loss (docs/protocol.md, *Why the larger P*).
   */
  #wasGivenUp(versions: readonly Version[]): boolean {
    const { ledger } = this.#ports;
    return versions.length > 0 && versions.every((version) => ledger.find(version)?.isExcused === true);
  }
}

function isLiveAt(sibling: Sibling, floor: number): boolean {
  if (sibling.version.time > floor || sibling.kind === "tombstone") return false;
  return sibling.expiresAtMs === null || hlcFromMs(sibling.expiresAtMs) > floor;
}

function latest(key: string, store: RecordStore): KeyRecord | undefined | "unreadable" {
  try {
    return store.latest(key);
  } catch {
    return "unreadable";
  }
}
