/**
 * Summary vectors, compared with what was written: whoever claims all that a node held at a time has seen that node's own
 * writes up to then (docs/protocol.md, *The vector*). Looked at whenever a vector rises, at each start, and at the
 * acknowledgement of a write, which may have been on its way to the disk when its time was claimed.
 */
import type { Completeness, HlcTime, NodeId } from "@hearsay/core";
import type { Machine } from "../cluster/machine.ts";
import type { Opened } from "../cluster/run.ts";
import type { Violation } from "../invariants/invariant.ts";
import {
  describeWrite,
  isSuperseded,
  purgeTime,
  type Write,
  type WriteLedger,
} from "../invariants/ledger.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

export interface VectorPorts {
  readonly ledger: WriteLedger;
  /** By the names of their machines. */
  readonly replicas: ReadonlyMap<string, ReplicaWatch>;
  report(violation: Violation): void;
  count(invariant: "vector"): void;
}

/** Of the newest writes of a key, with each read of it. */
const ASKED_WRITES = 3;

export class VectorWatch {
  readonly #ports: VectorPorts;

  constructor(ports: VectorPorts) {
    this.#ports = ports;
  }

  opened({ member }: Opened, machine: Machine): void {
    const { completeness } = member.keeper;
    const check = (node: NodeId, from: HlcTime, to: HlcTime): void => {
      this.#ports.count("vector");
      for (const write of this.#ports.ledger.between(node, from, to))
        this.#check(machine, completeness, write);
    };
    for (const [node, time] of completeness.vector) check(node, 0, time);
    const exchanged = completeness.exchanged.bind(completeness);
    completeness.exchanged = (...exchange) => {
      const before = new Map(completeness.vector);
      const isConcluded = exchanged(...exchange);
      for (const [node, time] of completeness.vector) {
        const from = before.get(node) ?? 0;
        if (time > from) check(node, from, time);
      }
      return isConcluded;
    };
  }

  acknowledged(write: Write): void {
    for (const { machine } of this.#ports.replicas.values()) {
      const completeness = machine.member?.keeper.completeness;
      const claimed = completeness?.vector.get(write.version.node) ?? 0;
      if (completeness !== undefined && claimed >= write.version.time)
        this.#check(machine, completeness, write);
    }
  }

  /** A node is asked for a key, as for a client that comes with a write from elsewhere: where it says that it holds it, it does. */
  asked(machine: Machine, key: string): void {
    for (const write of this.#ports.ledger.of(key).slice(-ASKED_WRITES)) this.#asked(machine, write);
  }

  /** Also where nobody acknowledged it: what has been seen somewhere, clients may come with. */
  #asked(machine: Machine, write: Write): void {
    const { key, version, outcome, holders } = write;
    if (holders.size === 0 || (outcome !== "acknowledged" && outcome !== "unknown")) return;
    if (outcome === "unknown" && this.#isWrittenAgain(write)) return;
    if (!machine.running.holds(key, version)) return;
    this.#ports.count("vector");
    const hadSeen = this.#ports.replicas.get(machine.name)?.hadSeen(key, version) ?? false;
    // Its claims are as old as what it had before a record was damaged.
    if (!hadSeen) this.#lacks(machine, machine.running.keeper.completeness, write);
  }

  /** Its node's next version of the key stands for the one before, whether that was ever on disk or not. */
  #isWrittenAgain({ key, version: { node, time } }: Write): boolean {
    const later = this.#ports.ledger.of(key);
    return later.some(({ version }) => version.node === node && version.time > time);
  }

  #check(machine: Machine, completeness: Completeness, write: Write): void {
    if (write.outcome === "acknowledged") this.#lacks(machine, completeness, write);
  }

  #lacks({ name }: Machine, { vector, floor }: Completeness, write: Write): void {
    const watch = this.#ports.replicas.get(name);
    if (watch === undefined || watch.isGivenUp || watch.hasSeen(write.key, write.version)) return;
    if (write.isExcused || write.isForgotten || isSuperseded(write)) return;
    if ((purgeTime(write) ?? Number.POSITIVE_INFINITY) <= floor) return;
    const { node } = write.version;
    this.#ports.report({
      invariant: "vector",
      detail: `${name} claims all of ${node} through ${vector.get(node)}, and lacks ${describeWrite(write)}`,
    });
  }
}
