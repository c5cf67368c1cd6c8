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

  #check({ name }: Machine, { vector, floor }: Completeness, write: Write): void {
    const watch = this.#ports.replicas.get(name);
    if (watch === undefined || watch.isGivenUp || watch.hasSeen(write.key, write.version)) return;
    if (write.outcome !== "acknowledged" || write.isExcused || isSuperseded(write)) return;
    if ((purgeTime(write) ?? Number.POSITIVE_INFINITY) <= floor) return;
    const { node } = write.version;
    this.#ports.report({
      invariant: "vector",
      detail: `${name} claims all of ${node} through ${vector.get(node)}, and lacks ${describeWrite(write)}`,
    });
  }
}
