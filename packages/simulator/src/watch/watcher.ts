/** Watches a simulated cluster from between its parts, and gathers what breaks an invariant. */
import type { KeyRecord } from "@hearsay/core";
import type { MemberPorts, Node, NodeConfig, NodePorts, RecordStore } from "@hearsay/node";
import type { Store, StoreOptions } from "@hearsay/store";
import type { Hooks } from "../cluster/composition.ts";
import type { Machine } from "../cluster/machine.ts";
import type { Opened } from "../cluster/run.ts";
import type { CheckCounts, Invariant, Violation } from "../invariants/invariant.ts";
import {
  describeVersion,
  describeWrite,
  isCountedOn,
  type Write,
  WriteLedger,
} from "../invariants/ledger.ts";
import { AdmissionWatch } from "./admission-watch.ts";
import { everything } from "./everything.ts";
import { markFallen } from "./fallen.ts";
import { LossWatch } from "./loss-watch.ts";
import { observedStore } from "./observed-store.ts";
import { checkPurge } from "./purge-check.ts";
import { readable } from "./readable.ts";
import { ReplicaWatch } from "./replica-watch.ts";
import { checkShown } from "./shown.ts";
import { VectorWatch } from "./vector-watch.ts";
import { WatermarkWatch } from "./watermark-watch.ts";

export class Watcher implements Hooks {
  readonly ledger: WriteLedger = new WriteLedger();
  readonly replicas: Map<string, ReplicaWatch> = new Map();
  readonly checks: CheckCounts = {};
  violation: Violation | undefined;
  /** Records stored and removed so far, on any machine. */
  changes = 0;
  readonly #nowMs: () => number;
  readonly #siblingLimit: (key: string) => number;
  readonly #onCommit: (machine: Machine, key: string, record: KeyRecord | undefined) => void;
  readonly vectors: VectorWatch;
  readonly losses: LossWatch;
  readonly watermarks: WatermarkWatch;
  readonly admissions: AdmissionWatch;

  /** @param siblingLimit how many siblings a record of a key may keep */
  constructor(
    nowMs: () => number,
    siblingLimit: (key: string) => number,
    onCommit: (machine: Machine, key: string, record: KeyRecord | undefined) => void,
  ) {
    this.#nowMs = nowMs;
    this.#siblingLimit = siblingLimit;
    this.vectors = new VectorWatch(this);
    this.losses = new LossWatch(this);
    this.watermarks = new WatermarkWatch(this);
    this.admissions = new AdmissionWatch(this);
    this.#onCommit = (...change) => {
      this.changes += 1;
      onCommit(...change);
    };
  }

  replica(machine: Machine): ReplicaWatch {
    const found = this.replicas.get(machine.name);
    if (found !== undefined) return found;
    const watch = new ReplicaWatch(machine, this.ledger, this.#nowMs());
    this.replicas.set(machine.name, watch);
    return watch;
  }

  report(violation: Violation | undefined): void {
    this.violation ??= violation;
  }

  count(invariant: Invariant, times = 1): void {
    this.checks[invariant] = (this.checks[invariant] ?? 0) + times;
  }

  /** A write that its node has issued. */
  issued(facts: Parameters<WriteLedger["issue"]>[0]): Write | undefined {
    this.count("clock");
    const write = this.ledger.issue(facts);
    if (write === undefined) {
      const detail = `${describeVersion(facts.version)} was issued after that or a later one was`;
      this.report({ invariant: "clock", detail });
      return undefined;
    }
    this.watermarks.issued(write);
    for (const time of facts.covered.vector.values()) {
      if (time >= facts.version.time)
        this.report({ invariant: "clock", detail: `${describeWrite(write)} is not above what it covers` });
    }
    return write;
  }

  nodePorts(ports: NodePorts, machine: Machine, store: Store): NodePorts {
    return { ...ports, store: this.#observed(ports.store, machine, store) };
  }

  /** What a write has failed to store may be there nonetheless when the database was opened anew. */
  store(options: StoreOptions, machine: Machine): StoreOptions {
    return {
      ...options,
      onEvent: (event) => {
        options.onEvent(event);
        if (event.code === "reopened") this.#reopened(machine, event.committedKeys > 0);
      },
    };
  }

  nodeConfig(config: NodeConfig, machine: Machine): NodeConfig {
    this.admissions.configured(machine, config);
    return config;
  }

  node(node: Node, machine: Machine): void {
    this.admissions.node(node, machine);
    this.report(this.replica(machine).incarnated(node.id, this.#nowMs()));
  }

  memberPorts(ports: MemberPorts, machine: Machine): MemberPorts {
    const { graveyard } = ports;
    const watch = this.replica(machine);
    return {
      ...ports,
      graveyard: {
        purge: async (floor, limit) => {
          watch.purging(floor);
          this.watermarks.purging(machine, floor);
          const report = await graveyard.purge(floor, limit);
          if (report.purged > 0) this.#purged(machine);
          return report;
        },
        remove: (key) => {
          watch.leaving(key);
          return graveyard.remove(key).then(() => this.#dropped(machine, key));
        },
        dropDamaged: (floor, unreadableAt, limit) => graveyard.dropDamaged(floor, unreadableAt, limit),
        quarantine: (key, sibling, kept) => {
          this.admissions.keptAside(machine, key, sibling.version);
          return graveyard.quarantine(key, sibling, kept);
        },
      },
    };
  }

  opened(opened: Opened, machine: Machine): void {
    this.vectors.opened(opened, machine);
    this.watermarks.opened(opened, machine);
  }

  /** What a store holds that was just opened. */
  async storeOpened(store: Store, machine: Machine): Promise<void> {
    const { records } = await everything(store);
    this.count("regression");
    this.report(this.replica(machine).reopened(records, this.#nowMs()));
  }

  /** A reader was shown this. */
  shown(machine: Machine, key: string, record: KeyRecord | undefined): void {
    this.count("reading");
    this.report(checkShown(this.replica(machine), key, record, machine.nowMs()));
  }

  /** Looks at what a running node says of itself. */
  look(machine: Machine): void {
    const { member } = machine;
    if (member !== undefined) this.watermarks.look(machine, member.keeper.completeness);
    this.admissions.look(machine);
  }

  /** The writer was told that it is done. */
  acknowledged(machine: Machine, write: Write): void {
    const { isGivenUp } = this.replica(machine);
    if (!isGivenUp) this.watermarks.acknowledged(machine, write);
    this.vectors.acknowledged(write);
    if (write.holders.size > 0) return;
    // Nobody else has it, and nobody will ask this one any more.
    if (isGivenUp) write.isExcused = true;
    else
      this.report({
        invariant: "durability",
        detail: `${machine.name} acknowledged ${describeWrite(write)} and does not hold it`,
      });
  }

  /** Members of these ids are said to hold a write, or what covers it. */
  saidToHold(by: Machine, write: Write, ids: ReadonlySet<string>): void {
    if (!isCountedOn(write)) return;
    this.count("acknowledgement");
    for (const other of this.replicas.values()) {
      if (!ids.has(other.id) || other.isGivenUp || other.mayLack || other.isOther) continue;
      if (other.hadSeen(write.key, write.version)) continue;
      const detail = `${by.name} says that ${other.machine.name} holds ${describeWrite(write)}, and it does not`;
      this.report({ invariant: "acknowledgement", detail });
    }
  }

  /** Of the cluster that was, the machines named are all that is left: what it said holds of nobody any more. */
  begunAnew(lost: readonly Machine[], counts: (machine: string) => boolean): void {
    this.watermarks.begunAnew();
    for (const machine of lost) this.replica(machine).giveUp(counts);
  }

  /** A machine is a cluster of its own for a while: the others have to do without what it alone had, and it without theirs. */
  begunBeside(machine: Machine): void {
    this.replica(machine).part();
  }

  /** Its directory is empty again. */
  endedBeside(machine: Machine): void {
    this.replica(machine).isBeside = false;
  }

  /** A node has left in order: what it alone holds would be lost. */
  left(machine: Machine): void {
    this.count("durability");
    // Who was given up by a word that was lost again, with the disk of the one who had it, is still a member.
    const ids = machine.member?.membership.counted().ids ?? [];
    const counted = [...this.replicas.values()].filter(
      ({ id, machine: { name } }) => name !== machine.name && ids.includes(id),
    );
    for (const write of this.ledger.countedOn()) {
      if (write.holders.size !== 1 || !write.holders.has(machine.name)) continue;
      if (counted.some((other) => other.hasSeen(write.key, write.version))) continue;
      this.report({
        invariant: "durability",
        detail: `${machine.name} left and alone had ${describeWrite(write)}`,
      });
    }
    this.replica(machine).giveUp(() => true);
  }

  /**
   * An operator gives a node up by the word of another. What a node has of which that one has not heard goes with it
   * (docs/cluster.md, Leaving and forgetting).
   */
  forgotten(machine: Machine, by: Machine): void {
    const known = new Set(by.member?.membership.members().map(({ id }) => id));
    const counting = [...this.replicas.values()].filter(({ id }) => known.has(id));
    const names = new Set(counting.map((replica) => replica.machine.name));
    this.replica(machine).giveUp((name) => names.has(name));
  }

  #observed(store: RecordStore, machine: Machine, inner: Store): RecordStore {
    const watch = this.replica(machine);
    const isOpen = (): boolean => machine.run?.opened?.store === inner;
    return observedStore(store, {
      putting: (key, record) => {
        if (record.siblings.length >= this.#siblingLimit(key)) markFallen(this.ledger, key, record);
        if (isOpen()) this.losses.storing(machine, key, record, store);
      },
      stored: (key, record) => this.#stored(machine, key, record, isOpen()),
      failed: (key) => watch.failed(key),
      removing: (key) => watch.leaving(key),
      removed: (key) => this.#dropped(machine, key),
    });
  }

  #reopened(machine: Machine, isCommitted: boolean): void {
    for (const key of this.replica(machine).takeFailed()) {
      const record = isCommitted ? readable(key, machine) : undefined;
      if (record !== undefined) this.#stored(machine, key, record, true);
    }
  }

  #stored(machine: Machine, key: string, record: KeyRecord, isOpen: boolean): void {
    const watch = this.replica(machine);
    const complete = isOpen && machine.running.standing.complete;
    // On a slow disk a key may be written anew before it is said that it was purged.
    const purged = watch.purgedBefore(key, record);
    if (purged !== undefined) this.#goes(machine, key, purged);
    this.count("siblings");
    this.losses.stored(machine, key);
    this.report(watch.committed(key, record, complete));
    this.#onCommit(machine, key, record);
  }

  #dropped(machine: Machine, key: string): void {
    if (machine.store?.get(key) !== undefined) return;
    this.count("durability");
    this.report(this.replica(machine).dropped(key));
    this.#onCommit(machine, key, undefined);
  }

  #purged(machine: Machine): void {
    const watch = this.replica(machine);
    for (const [key, record] of watch.records) {
      if (machine.store?.get(key) === undefined) this.#goes(machine, key, record);
    }
  }

  #goes(machine: Machine, key: string, record: KeyRecord): void {
    this.count("resurrection");
    checkPurge(this, machine, key, record);
    this.replica(machine).removed(key);
    this.#onCommit(machine, key, undefined);
  }
}
