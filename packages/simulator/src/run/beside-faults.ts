/**
 * A second cluster of the same name, by an operator's mistake (docs/cluster.md, *Two clusters of one name*): for a while one node
 * is a cluster of its own beside the others, which look for it at its address. It takes writes, and forgets deletions at a floor of
 * its own. Then it is emptied, and enters theirs. What it took meanwhile goes with that; of theirs nothing may go, nor come back.
 */
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Operator } from "./operator.ts";

export interface BesideFaultPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly watcher: Watcher;
  fired(kind: FaultKind): void;
  broke(error: unknown): void;
}

/** Fewer than these must not go on without it. */
const LEFT_MIN = 2;
const LOOK_MS = 500;
/** When an operator tells the others that the former directory is gone. */
const FORGET_AFTER_MS = 20_000;

export class BesideFaults {
  readonly #ports: BesideFaultPorts;
  #isOver = false;

  constructor(ports: BesideFaultPorts) {
    this.#ports = ports;
  }

  /** What is under way is put right within a moment. */
  stop(): void {
    this.#isOver = true;
  }

  /** @returns false for a fault that is none of these */
  strike(fault: Fault, name: string): boolean {
    if (fault.fault !== "begun_beside" && fault.fault !== "alone_beside") return false;
    this.#part(fault, name).catch((error: unknown) => this.#ports.broke(error));
    return true;
  }

  async #part(fault: Fault, name: string): Promise<void> {
    const { cluster, operator, watcher, fired } = this.#ports;
    if (!operator.is(name, "up") || operator.up.length <= LEFT_MIN || operator.isRebuilding) return;
    if (operator.introductions.hasBeside || this.#isAnyOutside(name)) return;
    operator.introductions.beginsBeside(name);
    const machine = cluster.machine(name);
    watcher.begunBeside(machine);
    await operator.kill(name);
    if (fault.fault === "begun_beside") operator.wipe(name);
    else machine.resetAlone();
    await operator.start(name);
    const endMs = cluster.time.monotonicMs() + fault.durationMs;
    while (!this.#isOver && cluster.time.monotonicMs() < endMs) await cluster.time.sleep(LOOK_MS);
    if (await this.#isEmptied(name)) fired(fault.fault);
    operator.introductions.rejoins(name);
    await operator.start(name);
    await cluster.time.sleep(FORGET_AFTER_MS);
    if (!this.#isOver) await operator.forgetStrays();
  }

  /** Whoever is told of the machine, and has not been let in anywhere yet, might enter its cluster. */
  #isAnyOutside(name: string): boolean {
    const { operator } = this.#ports;
    const others = operator.up.filter((other) => other !== name);
    return others.some((other) => operator.machine(other).member?.keeper.hasBelonged === false);
  }

  /** @returns false when the machine is gone for good meanwhile */
  async #isEmptied(name: string): Promise<boolean> {
    const { cluster, operator, watcher } = this.#ports;
    while (!operator.is(name, "up") && !operator.is(name, "down")) {
      if (operator.is(name, "gone")) return false;
      await cluster.time.sleep(LOOK_MS);
    }
    await operator.kill(name);
    operator.wipe(name);
    watcher.endedBeside(cluster.machine(name));
    return true;
  }
}
