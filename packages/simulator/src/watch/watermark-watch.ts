/**
 * Watermarks and floors. Whenever a watermark is greater than any before, every counted member has to hold what lies below it. None
 * falls while its node runs, and no node comes back below the floor to which it has purged.
 */
import type { Completeness, HlcTime } from "@hearsay/core";
import type { Machine } from "../cluster/machine.ts";
import type { Opened } from "../cluster/run.ts";
import type { Violation } from "../invariants/invariant.ts";
import { describeWrite, isSuperseded, type Write } from "../invariants/ledger.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

export interface WatermarkPorts {
  /** By the names of their machines. */
  readonly replicas: ReadonlyMap<string, ReplicaWatch>;
  replica(machine: Machine): ReplicaWatch;
  report(violation: Violation): void;
  count(invariant: "watermark"): void;
}

export class WatermarkWatch {
  readonly #ports: WatermarkPorts;
  /** The greatest of any node. */
  #greatest: HlcTime = 0;
  /** Writes not yet below it, in the order of their issue. */
  #above: Write[] = [];
  /** The last that each node has had in its run. */
  readonly #last: WeakMap<Completeness, HlcTime> = new WeakMap();
  /** By node. */
  readonly #purgedTo: Map<string, HlcTime> = new Map();

  constructor(ports: WatermarkPorts) {
    this.#ports = ports;
  }

  issued(write: Write): void {
    this.#above.push(write);
  }

  opened({ member, node }: Opened, machine: Machine): void {
    const { keeper } = member;
    const { completeness } = keeper;
    const purgedTo = this.#purgedTo.get(node.id) ?? 0;
    if (completeness.floor < purgedTo) {
      const detail = `${machine.name} comes back with the floor ${completeness.floor}, and had purged to ${purgedTo}`;
      this.#ports.report({ invariant: "watermark", detail });
    }
    const adopt = completeness.adoptWatermark.bind(completeness);
    completeness.adoptWatermark = (watermark) => {
      const events = adopt(watermark);
      this.look(machine, completeness);
      return events;
    };
    const foundBy = keeper.foundBy.bind(keeper);
    keeper.foundBy = (who) => {
      if (who === "newcomer") this.#holds(completeness.watermark);
      return foundBy(who);
    };
  }

  purging({ node }: Machine, floor: HlcTime): void {
    if (node === undefined) return;
    this.#purgedTo.set(node.id, Math.max(floor, this.#purgedTo.get(node.id) ?? 0));
  }

  /** Looks at the watermark that a node has now. */
  look(machine: Machine, completeness: Completeness): void {
    const { watermark } = completeness;
    const last = this.#last.get(completeness) ?? 0;
    if (watermark === last) return;
    this.#last.set(completeness, watermark);
    if (watermark < last) {
      const detail = `${machine.name} was complete through ${last}, and says ${watermark} now`;
      this.#ports.report({ invariant: "watermark", detail });
    } else this.#rose(machine, watermark);
  }

  /** A write that is not committed keeps the watermark below it. */
  acknowledged(machine: Machine, write: Write): void {
    if (write.version.time <= this.#greatest) this.#checkHeld(machine, write);
  }

  /** Of the cluster that was, next to nothing is left: what it said holds of nobody any more. */
  begunAnew(): void {
    this.#greatest = 0;
  }

  #rose(machine: Machine, watermark: HlcTime): void {
    const isByItself =
      this.#ports.replica(machine).isBeside || machine.member?.keeper.isAloneInDoubt === true;
    if (watermark <= this.#greatest || isByItself) return;
    for (const write of this.#holds(watermark)) this.#checkHeld(machine, write);
  }

  /** @returns what it says more than before; one that joins from now on is no part of that */
  #holds(watermark: HlcTime): Write[] {
    this.#greatest = Math.max(this.#greatest, watermark);
    const isAbove = ({ version, outcome }: Write): boolean => version.time > watermark || outcome === "open";
    const said = this.#above.filter((write) => !isAbove(write));
    this.#above = this.#above.filter(isAbove);
    return said;
  }

  #checkHeld(machine: Machine, write: Write): void {
    if (write.outcome !== "acknowledged" || write.isExcused || write.isForgotten || isSuperseded(write))
      return;
    this.#ports.count("watermark");
    const counted = machine.member?.membership.counted().ids ?? [];
    for (const other of this.#ports.replicas.values()) {
      const id = other.machine.node?.id;
      if (id === undefined || other.isGivenUp || !counted.includes(id)) continue;
      if (other.hasSeen(write.key, write.version)) continue;
      const detail = `${machine.name} says complete through ${this.#greatest}, and ${other.machine.name} lacks ${describeWrite(write)}`;
      this.#ports.report({ invariant: "watermark", detail });
    }
  }
}
