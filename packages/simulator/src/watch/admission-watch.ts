/**
 * What nodes take from peers, and what they refuse of it. Nothing is taken that lies too far ahead of the clock. What is dropped or
 * refused as a ghost is kept aside: what was held before it is dropped, what was offered in the same turn.
 */
import {
  compareVersions,
  hlcToMs,
  type KeyedRecord,
  latestTime,
  type RefusedVersions,
  type Version,
} from "@hearsay/core";
import type { Node, NodeConfig } from "@hearsay/node";
import type { Machine } from "../cluster/machine.ts";
import type { Violation } from "../invariants/invariant.ts";
import { describeVersion } from "../invariants/ledger.ts";
import { ifReadable } from "./readable.ts";

export interface AdmissionPorts {
  report(violation: Violation): void;
  count(invariant: "ghosts" | "clock"): void;
}

export class AdmissionWatch {
  readonly #ports: AdmissionPorts;
  readonly #maxDriftMs: Map<Machine, number> = new Map();
  /** What was kept aside of late on each machine, and what is to be. */
  readonly #aside: Map<Machine, { readonly kept: Set<string>; readonly due: Set<string> }> = new Map();

  constructor(ports: AdmissionPorts) {
    this.#ports = ports;
  }

  configured(machine: Machine, { clockMaxDriftMs }: NodeConfig): void {
    this.#maxDriftMs.set(machine, clockMaxDriftMs);
  }

  node(node: Node, machine: Machine): void {
    const aside = { kept: new Set<string>(), due: new Set<string>() };
    this.#aside.set(machine, aside);
    const admit = node.admit.bind(node);
    node.admit = (records, own, sender, refused) => {
      const going = refused.flatMap((of) => goingOf(of, own.floor, machine));
      const admitted = admit(records, own, sender, refused);
      if ("code" in admitted) return admitted;
      this.#checkAhead(records, machine);
      for (const ghost of going) {
        this.#ports.count("ghosts");
        if (!aside.kept.has(ghost)) this.#isGone(machine, ghost);
      }
      for (const { key, quarantined } of admitted.merged)
        for (const { version } of quarantined) aside.due.add(textOf(key, version));
      return admitted;
    };
    const takeMail = node.takeMail.bind(node);
    node.takeMail = (records, floor, reached) => {
      const taken = takeMail(records, floor, reached);
      if (!("code" in taken)) this.#checkAhead(records, machine);
      return taken;
    };
  }

  keptAside(machine: Machine, key: string, version: Version): void {
    const aside = this.#aside.get(machine);
    const ghost = textOf(key, version);
    aside?.kept.add(ghost);
    aside?.due.delete(ghost);
  }

  /** Looked at between turns: whatever was refused in one is kept aside by its end. */
  look(machine: Machine): void {
    for (const ghost of this.#aside.get(machine)?.due ?? []) {
      this.#ports.count("ghosts");
      this.#isGone(machine, ghost);
    }
  }

  #isGone({ name }: Machine, ghost: string): void {
    const detail = `${name} has done with ${ghost} as with a ghost, and keeps it nowhere`;
    this.#ports.report({ invariant: "ghosts", detail });
  }

  #checkAhead(records: readonly KeyedRecord[], machine: Machine): void {
    const mostMs = machine.nowMs() + (this.#maxDriftMs.get(machine) ?? Number.POSITIVE_INFINITY);
    for (const { key, record } of records) {
      if (hlcToMs(latestTime(record)) <= mostMs) continue;
      const detail = `${machine.name} takes a version of ${key} that lies ahead of its clock by more than it may`;
      this.#ports.report({ invariant: "clock", detail });
    }
  }
}

/** What a machine holds of what is refused to it. */
function goingOf({ key, versions }: RefusedVersions, floor: number, { store }: Machine): string[] {
  return (ifReadable(() => store?.latest(key))?.siblings ?? [])
    .filter(({ version }) => version.time <= floor)
    .filter(({ version }) => versions.some((refused) => compareVersions(refused, version) === 0))
    .map(({ version }) => textOf(key, version));
}

function textOf(key: string, version: Version): string {
  return `${describeVersion(version)} for ${key}`;
}
